// The attributes of Market-1501's identities: market_attribute.mat, published with Y. Lin et al.,
// "Improving Person Re-identification by Attribute and Identity Learning", 2019.
#ifndef S2P_TRAINER_IMPORT_MARKET_ATTRIBUTES_H_
#define S2P_TRAINER_IMPORT_MARKET_ATTRIBUTES_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace s2p {

struct MarketAttributes {
  // Values by id, "0002"; each as many as `names`, 0 or 1.
  using ById = std::map<std::string, std::vector<float>>;

  // The eight that IHDA uses: male, short_hair, long_sleeves, long_lower_clothing, dress, no_hat,
  // no_backpack, no_bag. Each is 1 where the file has a 1 and 0 where it has a 2, no_bag where both
  // bag and handbag have a 1; so do the authors of IHDA, in this order. Colours and age are left
  // out.
  std::vector<std::string> names;
  ById train;
  ById test;
};

// Reads the struct market_attribute with the structs `train` and `test`; each of their fields is a
// row with one number for each identity, and image_index a row of cells with the ids. NotFound if
// there is no such file. InvalidArgument, naming the file and the field, if it is not a MATLAB 5.0
// file, is larger than 4 MiB (the published one has some kB), lacks a field that is needed, or has
// one of another class, shape or range.
absl::StatusOr<MarketAttributes> ReadMarketAttributes(const std::string& path);

}  // namespace s2p

#endif  // S2P_TRAINER_IMPORT_MARKET_ATTRIBUTES_H_
