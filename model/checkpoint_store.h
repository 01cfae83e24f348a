// A folder of published checkpoints, <root>/<version>/, shared by trainer and server.
#ifndef S2P_MODEL_CHECKPOINT_STORE_H_
#define S2P_MODEL_CHECKPOINT_STORE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "model/checkpoint.h"

namespace s2p {

// Versions are numbers without padding; anything else in the folder is ignored. Holds only the
// path: safe to use from several threads and several processes at once. Thread-safe.
class CheckpointStore {
 public:
  explicit CheckpointStore(std::string root) : root_(std::move(root)) {}

  const std::string& root() const { return root_; }
  std::string DirectoryOf(int64_t version) const;

  // Ascending. Empty if nothing is published; NotFound if the root does not exist.
  absl::StatusOr<std::vector<int64_t>> Versions() const;
  // NotFound if nothing is published.
  absl::StatusOr<int64_t> NewestVersion() const;
  // As ReadCheckpoint; also DataLoss if the manifest's version is not the folder's.
  absl::StatusOr<Checkpoint> Read(int64_t version) const;

  // Publishes the model as the next free version, which it returns. Fills in format version,
  // version, creation time and files; the rest of the manifest is the caller's and must be valid.
  // Writes a hidden temporary folder, syncs each file and the folder, renames it, syncs the root: a
  // reader sees the whole checkpoint or nothing, even after a crash or with two writers. Creates
  // the root if it is missing. InvalidArgument as ValidateManifest; ResourceExhausted when the disk
  // is full; PermissionDenied for a read-only root.
  absl::StatusOr<int64_t> Publish(v1::CheckpointManifest manifest, const TensorMap& weights) const;

  // The newest version that this job published. NotFound if it published none; versions whose
  // manifest cannot be read are skipped.
  absl::StatusOr<int64_t> VersionOfJob(const std::string& job_id) const;

  // Removes all versions except the newest `keep_last` (at least 1) and those in `needed`. A
  // removed version disappears in one rename before its files are deleted. Fails as Versions does;
  // PermissionDenied for a read-only root.
  absl::Status Prune(int64_t keep_last, const std::vector<int64_t>& needed) const;

 private:
  std::string root_;
};

}  // namespace s2p

#endif  // S2P_MODEL_CHECKPOINT_STORE_H_
