// From published checkpoint to serving snapshot.
#ifndef S2P_SERVER_SNAPSHOT_LOADER_H_
#define S2P_SERVER_SNAPSHOT_LOADER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "model/checkpoint.h"
#include "model/checkpoint_store.h"
#include "model/encoder.h"
#include "server/gallery.h"

namespace s2p {

// As ModelVersion.State in model.proto.
enum class VersionState { kPublished, kLoading, kEmbedding, kServing, kRetired, kFailed };

struct VersionStatus {
  int64_t version = 0;
  VersionState state = VersionState::kPublished;
  // Of the embedding, in [0, 1]; only in kEmbedding.
  double progress = 0;
  // Why it failed; OK in every other state.
  absl::Status failure;
  // Null if it cannot be read.
  std::shared_ptr<const v1::CheckpointManifest> manifest;
};

struct ModelStatus {
  // Newest first: what is in the store, adopted, or was when this process tried it.
  std::vector<VersionStatus> versions;
  // 0 while none serves.
  int64_t serving_version = 0;
  std::optional<int64_t> pinned_version;
  // Of the serving encoder; empty while none serves.
  std::string device;
};

// Makes an encoder of a verified checkpoint. Called by one thread at a time.
using EncoderFactory =
    std::function<absl::StatusOr<std::unique_ptr<const Encoder>>(const Checkpoint&)>;

struct SnapshotLoaderOptions {
  // The checkpoint store; may be read-only, empty, or not there.
  std::string checkpoint_root;
  // The gallery's folder: checkpoints are adopted into <data_dir>/models/<version>/.
  std::string data_dir;
  EncoderFactory load_encoder;
  // Between two looks at the store while nothing serves.
  absl::Duration poll_interval = absl::Seconds(2);
  // Adopted checkpoints that are kept, the serving and the pinned one besides.
  int keep_versions = 2;
  // Optional: called after every change of a version's state (for log lines and metrics), from the
  // thread that loads, with no lock held.
  std::function<void(const VersionStatus&)> on_change;
  // Optional: called for an item that cannot be embedded and is left out, as Gallery::Activate.
  std::function<void(const std::string& photo_id, const absl::Status&)> on_damaged;
};

// Picks the pinned version, else the newest; copies it, verified, into the data folder; makes an
// encoder of it; lets the gallery embed what is missing and publish the snapshot. A version that
// fails is kFailed with the reason, and the next older one is tried, so that losing or damaging the
// store never stops what served before. Once something serves it looks no further: a newer version
// is taken at the next start. Thread-safe, but that Start and Stop are their owner's alone.
class SnapshotLoader {
 public:
  // `gallery` must outlive the loader. InvalidArgument naming a bad option.
  static absl::StatusOr<std::unique_ptr<SnapshotLoader>> Create(SnapshotLoaderOptions options,
                                                                Gallery* gallery);
  // As Stop.
  ~SnapshotLoader();

  // One attempt, on the caller's thread. OK if a version serves afterwards; NotFound if nothing is
  // published and nothing was adopted; else the failure of the best version. A version whose
  // failure cannot pass (damaged, wrong, newer format) is not tried again.
  absl::Status Load();

  // Repeats Load on a thread of its own, every poll_interval, until a version serves.
  void Start();
  // Waits for the thread; an embedding that is under way is finished first. Idempotent.
  void Stop();

  ModelStatus Status() const;

 private:
  SnapshotLoader(SnapshotLoaderOptions options, Gallery* gallery);

  void Run();
  // What may be served, best first.
  absl::StatusOr<std::vector<int64_t>> Candidates() const;
  absl::Status Serve(int64_t version);
  // The adopted copy, which is made first where there is none that is whole.
  absl::StatusOr<Checkpoint> Adopt(int64_t version) const;
  absl::StatusOr<Checkpoint> CopyFromStore(int64_t version) const;
  // Removes adopted copies and leftovers that are not needed any more.
  void PruneAdopted(int64_t serving) const;
  std::shared_ptr<const v1::CheckpointManifest> ManifestOf(int64_t version) const;
  void Note(int64_t version, VersionState state, double progress = 0,
            const absl::Status& failure = absl::OkStatus());

  const SnapshotLoaderOptions options_;
  const CheckpointStore store_;
  // The copies in the data folder have the form of a store.
  const CheckpointStore adopted_;
  Gallery* const gallery_;

  // Held for a whole attempt: attempts take turns.
  absl::Mutex load_mutex_;

  mutable absl::Mutex mutex_;
  // What this process did; a version that is not here is only published.
  std::map<int64_t, VersionStatus> tried_ ABSL_GUARDED_BY(mutex_);
  mutable std::map<int64_t, std::shared_ptr<const v1::CheckpointManifest>> manifests_
      ABSL_GUARDED_BY(mutex_);
  int64_t serving_version_ ABSL_GUARDED_BY(mutex_) = 0;
  std::string device_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;

  std::thread thread_;
};

}  // namespace s2p

#endif  // S2P_SERVER_SNAPSHOT_LOADER_H_
