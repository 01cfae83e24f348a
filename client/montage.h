// A picture of search results: each sketch next to its best matches.
#ifndef S2P_CLIENT_MONTAGE_H_
#define S2P_CLIENT_MONTAGE_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace s2p {

struct MontageCell {
  // Encoded: JPEG, PNG or WebP.
  std::string image;
  // Up to two short lines below the image; longer ones are cut.
  std::string first_line;
  std::string second_line;
  // Draws a green frame.
  bool correct = false;
};

struct MontageRow {
  MontageCell query;
  // Best first.
  std::vector<MontageCell> matches;
};

// A PNG with the rows below each other. InvalidArgument if there is no row, or, naming row and
// cell, if an image cannot be decoded.
absl::StatusOr<std::string> DrawMontage(const std::vector<MontageRow>& rows);

}  // namespace s2p

#endif  // S2P_CLIENT_MONTAGE_H_
