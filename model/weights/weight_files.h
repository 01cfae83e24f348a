// Weights as they are distributed: one safetensors file, or several with an index.
#ifndef S2P_MODEL_WEIGHTS_WEIGHT_FILES_H_
#define S2P_MODEL_WEIGHTS_WEIGHT_FILES_H_

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/safetensors.h"
#include "model/sha256.h"

namespace s2p {

// The end of an index's name. An index is JSON whose "weight_map" gives the file of each tensor:
// {"weight_map": {"blocks.0.norm1.bias": "model-00001-of-00002.safetensors", ...}}.
inline constexpr absl::string_view kWeightIndexEnding = ".safetensors.index.json";

// Reads a safetensors file, or all files that an index at `path` names. The files of an index are
// in its folder; together they may be as large as one file. As ReadSafetensors; for an index
// NotFound naming the file that is missing, DataLoss naming the tensor that a file has and the
// index does not, or the other way round, and InvalidArgument for a name that is not that of a
// safetensors file in that folder.
absl::StatusOr<TensorMap> ReadWeights(const std::string& path,
                                      const SafetensorsLimits& limits = {});

// Returns the errors of ReadWeights that the index and the headers of the files show. The tensors,
// which may be gigabytes, are not read.
absl::Status CheckWeights(const std::string& path, const SafetensorsLimits& limits = {});

// The SHA-256 digest of a file; with an index, of the lines that sha256sum prints for the index and
// its files in the order of their names, so that it changes with each of them. As ReadWeights, but
// looks at no tensor. `digest_of` gives the digest of one file.
absl::StatusOr<std::string> WeightsDigest(
    const std::string& path,
    const std::function<absl::StatusOr<std::string>(const std::string&)>& digest_of = Sha256OfFile);

}  // namespace s2p

#endif  // S2P_MODEL_WEIGHTS_WEIGHT_FILES_H_
