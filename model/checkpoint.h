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

inline constexpr uint32_t kCheckpointFormatVersion = 1;
inline constexpr char kManifestFileName[] = "manifest.json";
inline constexpr char kWeightsFileName[] = "weights.safetensors";

// A checkpoint whose files have been read and verified. A value; immutable by convention.
struct Checkpoint {
  std::string directory;
  v1::CheckpointManifest manifest;
  TensorMap weights;
};

// Reads and verifies: sizes and SHA-256 of each file first, then fields and ranges of the manifest,
// then that every tensor is finite. (That tensors fit the networks is LoadEncoder's and
// DualEncoder's to say.) NotFound if there is no manifest; DataLoss naming file and field if
// something is damaged; FailedPrecondition if the format is newer than this program.
absl::StatusOr<Checkpoint> ReadCheckpoint(const std::string& directory);
// The manifest alone, fields checked, files not opened.
absl::StatusOr<v1::CheckpointManifest> ReadManifest(const std::string& directory);

// InvalidArgument naming the field. Does not look at `files` and `golden_probe`'s values.
absl::Status ValidateManifest(const v1::CheckpointManifest& manifest);

// Lower-case hex SHA-256.
std::string Sha256(absl::string_view bytes);
absl::StatusOr<std::string> Sha256OfFile(const std::string& path);

}  // namespace s2p

#endif  // S2P_MODEL_CHECKPOINT_H_
