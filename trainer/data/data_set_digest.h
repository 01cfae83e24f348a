// Which data a data set holds, as one number.
#ifndef S2P_TRAINER_DATA_DATA_SET_DIGEST_H_
#define S2P_TRAINER_DATA_DATA_SET_DIGEST_H_

#include <string>

#include "absl/status/statusor.h"

namespace s2p {

// SHA-256 in lower-case hex of the folder's dataset.jsonl, as a manifest's provenance has it, or of
// a packed data set's whole file; empty for an empty `folder`. NotFound naming the file.
absl::StatusOr<std::string> DataSetDigest(const std::string& folder);

}  // namespace s2p

#endif  // S2P_TRAINER_DATA_DATA_SET_DIGEST_H_
