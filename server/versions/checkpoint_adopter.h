// The server's own copies of published checkpoints.
#ifndef S2P_SERVER_VERSIONS_CHECKPOINT_ADOPTER_H_
#define S2P_SERVER_VERSIONS_CHECKPOINT_ADOPTER_H_

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "model/checkpoint.h"
#include "model/checkpoint_store.h"

namespace s2p {

// Copies checkpoints, verified, into <data_dir>/models/<version>/ before they are used, so that
// losing or pruning the store never stops what serves. Thread-safe, but that Adopt and Prune are
// for one thread at a time.
class CheckpointAdopter {
 public:
  CheckpointAdopter(std::string checkpoint_root, const std::string& data_dir)
      : store_(std::move(checkpoint_root)), adopted_(data_dir + "/models") {}

  const CheckpointStore& store() const { return store_; }

  // What is in the store or adopted. A store that cannot be read is an error only if nothing is
  // adopted; one that is not there is empty.
  absl::StatusOr<std::set<int64_t>> Versions() const;
  // Names, sizes and times of the files of a version in the store, as a text to compare: it changes
  // whenever somebody writes there. Empty if there is nothing.
  std::string FilesOf(int64_t version) const;
  // Unavailable, saying what is missing, if the version is not adopted and a file of it in the
  // store is missing or shorter than the manifest says, as while the folder is being copied. OK for
  // what is damaged in any other way.
  absl::Status CheckWhole(int64_t version) const;
  // The adopted copy, which is made first where there is none that is whole. DataLoss if it is
  // damaged; else as reading and writing files fails.
  absl::StatusOr<Checkpoint> Adopt(int64_t version) const;
  // Removes copies, all but the `keep_newest` with the highest numbers and those of `keep`; and
  // leftovers of interrupted copying.
  void Prune(int keep_newest, const std::set<int64_t>& keep) const;
  // Null if it cannot be read.
  std::shared_ptr<const v1::CheckpointManifest> ManifestOf(int64_t version) const;

 private:
  absl::StatusOr<Checkpoint> CopyFromStore(int64_t version) const;

  const CheckpointStore store_;
  // The copies have the form of a store.
  const CheckpointStore adopted_;

  mutable absl::Mutex mutex_;
  mutable std::map<int64_t, std::shared_ptr<const v1::CheckpointManifest>> manifests_
      ABSL_GUARDED_BY(mutex_);
};

}  // namespace s2p

#endif  // S2P_SERVER_VERSIONS_CHECKPOINT_ADOPTER_H_
