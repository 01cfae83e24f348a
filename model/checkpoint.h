// A model in files: a folder with manifest.json and weights.safetensors. docs/checkpoint_format.md
// has the grammar.
#ifndef S2P_MODEL_CHECKPOINT_H_
#define S2P_MODEL_CHECKPOINT_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/safetensors.h"
#include "s2p/v1/checkpoint.pb.h"

namespace s2p {

// The newest format that this program reads and writes (model/manifest_format.h).
inline constexpr uint32_t kCheckpointFormatVersion = 3;
inline constexpr char kManifestFileName[] = "manifest.json";
inline constexpr char kWeightsFileName[] = "weights.safetensors";

// A checkpoint whose files have been read and verified. A value; immutable by convention.
struct Checkpoint {
  std::string directory;
  v1::CheckpointManifest manifest;
  TensorMap weights;
};

// Reads and verifies: fields and ranges of the manifest, then the size of each file, then the
// SHA-256 of each, then the tensors, all finite. The bytes that are parsed are the bytes that were
// hashed. (LoadEncoder and DualEncoder check that the tensors fit the networks.) NotFound if there
// is no manifest; DataLoss naming file and field if anything is damaged or missing;
// FailedPrecondition if the format is newer than this program.
absl::StatusOr<Checkpoint> ReadCheckpoint(const std::string& directory);
// Reads the manifest alone: checks its fields, but does not open the other files.
absl::StatusOr<v1::CheckpointManifest> ReadManifest(const std::string& directory);

// Checks the description of the model: backbone, embedding, preprocessing, attributes, evaluations.
// InvalidArgument naming the field. Ignores `format_version`, `version`, `files` and
// `golden_probe`.
absl::Status ValidateManifest(const v1::CheckpointManifest& manifest);

// The length of the pooled vector, which is `embedding.dimension` if there is no projection.
// InvalidArgument naming the field for an unknown arch, stage, pooling or grid.
absl::StatusOr<int> PooledDimension(const v1::Backbone& backbone, const v1::Embedding& embedding);

// InvalidArgument naming the first tensor that holds a NaN or an infinity.
absl::Status CheckFinite(const TensorMap& tensors);

}  // namespace s2p

#endif  // S2P_MODEL_CHECKPOINT_H_
