// The server's own copies of published checkpoints.
#ifndef S2P_SERVER_VERSIONS_CHECKPOINT_ADOPTER_H_
#define S2P_SERVER_VERSIONS_CHECKPOINT_ADOPTER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "model/checkpoint.h"
#include "model/checkpoint_store.h"

namespace s2p {

// Copies and verifies checkpoints in <data_dir>/models/<version>/ before they are used, so that
// losing or pruning the store never stops the version that serves. Thread-safe, except that Adopt
// and Prune must not run at the same time.
class CheckpointAdopter {
 public:
  // An error if the disk of the data folder has no room for this many bytes more. Thread-safe.
  using CheckRoom = std::function<absl::Status(uint64_t bytes)>;

  // Without `check_room`, copies take whatever the disk has.
  CheckpointAdopter(std::string checkpoint_root, const std::string& data_dir,
                    CheckRoom check_room = nullptr)
      : store_(std::move(checkpoint_root)),
        adopted_(data_dir + "/models"),
        check_room_(std::move(check_room)) {}

  const CheckpointStore& store() const { return store_; }

  // The versions in the store or adopted. A store that cannot be read is an error only if nothing
  // is adopted; a missing store counts as empty.
  absl::StatusOr<std::set<int64_t>> Versions() const;
  // The error of reading the store; OK if it can be read, or is missing and nothing was adopted
  // from it yet.
  absl::Status CheckStore() const;
  // Names, sizes and times of a version's files in the store, as a text to compare: it changes
  // whenever the files do. Empty if there are none.
  std::string FilesOf(int64_t version) const;
  // Unavailable, naming the file, if the version is not adopted and one of its files in the store
  // is missing or shorter than the manifest says, as while the folder is being copied. OK for any
  // other damage.
  absl::Status CheckWhole(int64_t version) const;
  // Returns the adopted copy, after making one if there is none that is whole. DataLoss if the
  // store's files are damaged; the error of `check_room`, before anything is written, if there is
  // no room for a copy; else the errors of reading and writing files.
  absl::StatusOr<Checkpoint> Adopt(int64_t version) const;
  // Removes all copies but the `keep_newest` with the highest numbers and those in `keep`, and
  // leftovers of interrupted copying.
  void Prune(int keep_newest, const std::set<int64_t>& keep) const;
  // Null if the manifest cannot be read.
  std::shared_ptr<const v1::CheckpointManifest> ManifestOf(int64_t version) const;

 private:
  absl::StatusOr<Checkpoint> CopyFromStore(int64_t version) const;
  // Copies the manifest and the files that it lists, synced, replacing anything in `to`. NotFound
  // if there is no manifest.
  absl::Status CopyFiles(int64_t version, const std::string& to) const;

  const CheckpointStore store_;
  // The copies, in the layout of a store.
  const CheckpointStore adopted_;
  const CheckRoom check_room_;

  mutable absl::Mutex mutex_;
  mutable std::map<int64_t, std::shared_ptr<const v1::CheckpointManifest>> manifests_
      ABSL_GUARDED_BY(mutex_);
};

}  // namespace s2p

#endif  // S2P_SERVER_VERSIONS_CHECKPOINT_ADOPTER_H_
