// From published checkpoint to serving snapshot.
#ifndef S2P_SERVER_VERSIONS_SNAPSHOT_LOADER_H_
#define S2P_SERVER_VERSIONS_SNAPSHOT_LOADER_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "model/checkpoint.h"
#include "model/encoder.h"
#include "server/gallery/gallery.h"
#include "server/versions/checkpoint_adopter.h"
#include "server/versions/embedding_pace.h"

namespace s2p {

// As ModelVersion.State in model.proto.
enum class VersionState { kPublished, kLoading, kWarming, kEmbedding, kServing, kRetired, kFailed };

struct VersionStatus {
  int64_t version = 0;
  VersionState state = VersionState::kPublished;
  // Of the embedding, in [0, 1]; only in kEmbedding.
  double progress = 0;
  // Until the embedding is done, from its speed so far; infinite while nothing is known, and in
  // every other state.
  absl::Duration eta = absl::InfiniteDuration();
  // Why it failed; in kPublished, what it still lacks (Unavailable); OK in every other state.
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
  // Between two looks at the store. A version whose failure may pass is tried again after that, and
  // then after twice as long each time, up to 256 times this.
  absl::Duration poll_interval = absl::Seconds(2);
  // Looks in a row that find the same files before a version that is not whole is taken for
  // damaged: a copy that is written to is waited for, one that was broken off fails.
  int patient_looks = 30;
  // Adopted checkpoints that are kept, the serving and the pinned one besides.
  int keep_versions = 2;
  // Batches that a new encoder computes before it serves, each with photos and with sketches, so
  // often. Passes 0: none, for encoders that have nothing to warm.
  std::vector<int> warm_up_batch_sizes = {1};
  int warm_up_passes = 3;
  // Share of the time that warming up and embedding may take while searches wait, in [0.05, 1].
  double reembed_share = 0.5;
  // Whether live searches wait; empty: never.
  std::function<bool()> busy;
  // Optional: called after every change of a version's state (for log lines and metrics), from the
  // thread that loads, with no lock of the loader's status held.
  std::function<void(const VersionStatus&)> on_change;
  // Optional: called when a version in the store is found not to be whole yet, with what it lacks;
  // from the thread that loads. It is not tried until it is whole, or until nobody has written to
  // it for patient_looks looks.
  std::function<void(int64_t version, const absl::Status&)> on_incomplete;
  // Optional: called after anything that Status tells has changed, from any thread; must not block.
  std::function<void()> on_status;
  // Optional: called for an item that cannot be embedded and is left out, as Gallery::Activate.
  std::function<void(const std::string& photo_id, const absl::Status&)> on_damaged;
  // The clock of the time left; tests have their own.
  std::function<absl::Time()> now = absl::Now;
};

// Follows the pinned version, else the newest; copies it, verified, into the data folder; makes an
// encoder of it and warms it up; lets the gallery embed what is missing and publish the snapshot.
// Until then, and if any of it fails, what served before serves on.
//
// A version that fails is kFailed with the reason. Then the next older one is tried that is newer
// than what serves, or, while nothing serves, any older one: losing or damaging the store never
// stops what served before. A version is tried again when its files have changed, and one that is
// being copied into the store is not tried before it is whole. A version that is no longer the one
// to serve, because a newer one was published or another one pinned, is left between two batches;
// what is embedded stays stored. While nothing serves, it is finished first; and before a gallery
// is embedded for the wanted version, the one that the gallery is embedded with already serves: a
// restart in the middle of an embedding costs nobody an answer. Thread-safe, but that Start and
// Stop are their owner's alone.
class SnapshotLoader {
 public:
  // `gallery` must outlive the loader. InvalidArgument naming a bad option.
  static absl::StatusOr<std::unique_ptr<SnapshotLoader>> Create(SnapshotLoaderOptions options,
                                                                Gallery* gallery);
  // As Stop.
  ~SnapshotLoader();

  // One look, on the caller's thread, and all the work that it finds. OK if a version serves
  // afterwards; NotFound if nothing is published and nothing was adopted; else the failure of the
  // best version. A version whose failure cannot pass (damaged, wrong, newer format) is not tried
  // again until its files change. Load tries also what is not whole, and does not wait for changes
  // to end; the thread of Start does.
  absl::Status Load();

  // Repeats Load on a thread of its own, every poll_interval and when the pin changes.
  void Start();
  // Interrupts an embedding between two batches, and waits for the thread. Idempotent.
  void Stop();

  // Pins a version, or follows the newest. Durable when it returns; the thread turns to it at once,
  // and tries it again if it had failed. NotFound for a version that is neither published nor
  // adopted; else as Gallery::SetPinnedVersion.
  absl::Status SetServingVersion(std::optional<int64_t> version);

  ModelStatus Status() const;

 private:
  // What this process knows of a version that it has tried.
  struct Attempted {
    VersionStatus status;
    // In a row, and when it may be tried again if the failure can pass.
    int failures = 0;
    absl::Time retry_at;
    // The look in which it failed last.
    int64_t failed_in_look = 0;
    // Its files in the store before that attempt.
    std::string files;
  };
  // A version's files in the store, as the looks found them; a look that lasts long repeats this.
  struct Seen {
    std::string files;
    // Looks in a row that found the same, after the first.
    int looks = 0;
    int64_t last_look = 0;
    absl::Time looked_at = absl::InfinitePast();
    // Unavailable while something is missing.
    absl::Status whole;
  };

  SnapshotLoader(SnapshotLoaderOptions options, Gallery* gallery);

  void Run();
  // Load; `patient` leaves versions alone whose time to be tried again has not come.
  absl::Status Look(bool patient);
  // What may be served and is better than what serves, best first; while nothing serves, what the
  // gallery is embedded with before all.
  absl::StatusOr<std::vector<int64_t>> Wanted();
  void PutEmbeddedFirst(std::vector<int64_t>* versions) const;
  // Notes the files of each version that has not been tried or has failed, once a look.
  void LookAtFiles(const std::vector<int64_t>& versions);
  // Whether a version that is not whole should be left alone for now.
  bool IsIncomplete(int64_t version) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Whether the files of a version that failed have changed since, and the change is over.
  bool HasChanged(int64_t version, const Attempted& attempted) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The version to work on, 0 for none; the first reason against a better one.
  int64_t Choose(const std::vector<int64_t>& wanted, absl::Status* failure) const;
  // Not OK, and noted in interrupted_, if the version should not be worked on any longer.
  absl::Status StillWanted(int64_t version);
  // After a piece of work that took so long: waits, to leave room for searches. As StillWanted.
  absl::Status Pause(int64_t version, absl::Duration took);

  // On the loader's own thread, while another version serves.
  bool IsBackground() const {
    absl::MutexLock lock(&mutex_);
    return patient_ && serving_version_ != 0;
  }
  absl::Status Serve(int64_t version);
  absl::Status WarmUp(const Encoder& encoder);
  absl::Status Embed(const std::shared_ptr<const Encoder>& encoder);
  void NoteServing(const Encoder& encoder);
  void NoteFailed(int64_t version, const absl::Status& failure);
  void NoteInterrupted(int64_t version);
  // A state that is neither serving nor failed.
  void Note(int64_t version, VersionState state, double progress = 0,
            absl::Duration eta = absl::InfiniteDuration());
  void Report(VersionStatus status) const;

  const SnapshotLoaderOptions options_;
  const CheckpointAdopter checkpoints_;
  const EmbeddingPace pace_;
  Gallery* const gallery_;

  // Held for a whole look: looks take turns.
  absl::Mutex load_mutex_;
  // Held while the pin is checked and written.
  absl::Mutex pin_mutex_;

  mutable absl::Mutex mutex_;
  // A version that is not here is only published.
  std::map<int64_t, Attempted> attempted_ ABSL_GUARDED_BY(mutex_);
  // What the last look found, to tell when that changes.
  std::set<int64_t> seen_ ABSL_GUARDED_BY(mutex_);
  std::map<int64_t, Seen> seen_files_ ABSL_GUARDED_BY(mutex_);
  // The versions that served last, the latest at the front.
  std::deque<int64_t> served_ ABSL_GUARDED_BY(mutex_);
  int64_t serving_version_ ABSL_GUARDED_BY(mutex_) = 0;
  std::string device_ ABSL_GUARDED_BY(mutex_);
  // The number of the look under way, and whether it is patient.
  int64_t look_ ABSL_GUARDED_BY(mutex_) = 0;
  bool patient_ ABSL_GUARDED_BY(mutex_) = false;
  // The version in work was left for another one, or for Stop.
  bool interrupted_ ABSL_GUARDED_BY(mutex_) = false;
  // The pin has changed since the thread looked at it.
  bool woken_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;

  std::thread thread_;
};

}  // namespace s2p

#endif  // S2P_SERVER_VERSIONS_SNAPSHOT_LOADER_H_
