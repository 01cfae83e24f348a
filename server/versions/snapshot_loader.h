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
#include "absl/time/time.h"
#include "base/steady_time.h"
#include "base/steady_wait.h"
#include "model/checkpoint.h"
#include "model/encoder.h"
#include "server/gallery/gallery.h"
#include "server/versions/checkpoint_adopter.h"
#include "server/versions/embedding_pace.h"

namespace s2p {

// The states of ModelVersion.State in model.proto.
enum class VersionState { kPublished, kLoading, kWarming, kEmbedding, kServing, kRetired, kFailed };

struct VersionStatus {
  int64_t version = 0;
  VersionState state = VersionState::kPublished;
  // Progress of the embedding, in [0, 1]; only in kEmbedding.
  double progress = 0;
  // Estimated time until the embedding is done, from its speed so far; infinite while unknown and
  // in every other state.
  absl::Duration eta = absl::InfiniteDuration();
  // Why it failed; in kPublished, which files are still missing (Unavailable); OK in every other
  // state.
  absl::Status failure;
  // Null if it cannot be read.
  std::shared_ptr<const v1::CheckpointManifest> manifest;
};

struct ModelStatus {
  // Newest first: versions in the store, adopted, or tried by this process.
  std::vector<VersionStatus> versions;
  // 0 before the first.
  int64_t serving_version = 0;
  std::optional<int64_t> pinned_version;
  // The device of the serving encoder; empty before the first.
  std::string device;
};

// Makes an encoder from a verified checkpoint. Called by one thread at a time.
using EncoderFactory =
    std::function<absl::StatusOr<std::unique_ptr<const Encoder>>(const Checkpoint&)>;

struct SnapshotLoaderOptions {
  // The checkpoint store; may be read-only, empty or missing.
  std::string checkpoint_root;
  // The gallery's folder: checkpoints are adopted into <data_dir>/models/<version>/.
  std::string data_dir;
  EncoderFactory load_encoder;
  // Time between two scans of the store. A version that failed for a reason that may pass is
  // retried after this time, then after twice as long each time, up to 256 times this.
  absl::Duration poll_interval = absl::Seconds(2);
  // Scans in a row that must find the same files before an incomplete version counts as damaged:
  // the loader waits for a copy in progress and gives up on an abandoned one.
  int patient_looks = 30;
  // Adopted checkpoints that are kept, in addition to the serving and the pinned one.
  int keep_versions = 2;
  // Batches that a new encoder computes before it serves, each `warm_up_passes` times with photos
  // and with sketches. 0 passes: none, for encoders that need no warming up.
  std::vector<int> warm_up_batch_sizes = {1};
  int warm_up_passes = 3;
  // Share of the time that warming up and embedding may take while searches wait, in [0.05, 1].
  double reembed_share = 0.5;
  // Optional: true while live searches wait. Empty: never.
  std::function<bool()> busy;
  // Optional: called after every change of a version's state (for log lines and metrics), on the
  // thread that loads. It may call Status.
  std::function<void(const VersionStatus&)> on_change;
  // Optional: called when a version in the store turns out to be incomplete, with the missing file,
  // on the thread that loads. The version is not tried until it is complete or its files have not
  // changed for patient_looks scans.
  std::function<void(int64_t version, const absl::Status&)> on_incomplete;
  // Optional: called at each scan with the error of reading the store, or OK, on the thread that
  // scans.
  std::function<void(const absl::Status&)> on_store;
  // Optional: called after anything in Status has changed, on any thread; must not block.
  std::function<void()> on_status;
  // Optional: as ActivationCallbacks::on_left_out.
  std::function<void(const std::string& photo_id, const absl::Status&)> on_left_out;
  // The clock for estimates and retries; tests replace it.
  std::function<SteadyTime()> now = SteadyTime::Now;
};

// Follows the pinned version, else the newest: copies it into the data folder and verifies it,
// makes an encoder and warms it up, and lets the gallery embed what is missing and publish the
// snapshot. Until then, and if any step fails, the version before keeps serving.
//
// A version that fails is kFailed with the reason. The loader then tries the next older one that is
// newer than the serving version, or, while none serves, any older one: losing or damaging the
// store never stops the version that serves. It retries a version when its files have changed, and
// does not try one that is being copied into the store before it is complete. A version whose copy
// or embeddings would take the room that the gallery keeps free (ResourceExhausted) is tried again
// like any that failed for a reason that may pass. If a newer version is published or another one
// pinned, it abandons the current one between two batches; finished embeddings stay stored. Near
// the end, when writers may wait for it, only a pin makes it do so. While no version serves, it
// finishes first; and before it embeds the gallery for the wanted version, it serves the one that
// the gallery is already embedded with, so a restart during an embedding interrupts no service.
// Thread-safe, except that only the owner may call Start and Stop.
class SnapshotLoader {
 public:
  // `gallery` must outlive the loader. InvalidArgument naming a bad option.
  static absl::StatusOr<std::unique_ptr<SnapshotLoader>> Create(SnapshotLoaderOptions options,
                                                                Gallery* gallery);
  // Calls Stop.
  ~SnapshotLoader();

  // Scans the store once and does all the work it finds, on the caller's thread. OK if a version
  // serves afterwards; NotFound if none is published or adopted; else the failure of the best
  // version. A version whose failure is permanent (damaged, wrong, newer format) is not retried
  // until its files change. Unlike the thread of Start, Load tries incomplete versions too and does
  // not wait for copying to end.
  absl::Status Load();

  // Scans on a thread of its own, every poll_interval and when the pin changes.
  void Start();
  // Interrupts an embedding between two batches and waits for the thread. Idempotent.
  void Stop();

  // Pins a version, or follows the newest. Durable when it returns. The thread turns to the version
  // at once, and retries it if it had failed. NotFound if the version is neither published nor
  // adopted; else as Gallery::SetPinnedVersion.
  absl::Status SetServingVersion(std::optional<int64_t> version);

  ModelStatus Status() const;

 private:
  // A version that this process has tried.
  struct Attempted {
    VersionStatus status;
    // Failures in a row, and when to retry if the failure may pass.
    int failures = 0;
    SteadyTime retry_at;
    // The scan in which it last failed.
    int64_t failed_in_look = 0;
    // CheckpointAdopter::FilesOf before that attempt.
    std::string files;
  };
  // A version's files in the store, as scans found them. A long scan looks several times.
  struct Seen {
    std::string files;
    // Scans in a row that found the same, after the first.
    int looks = 0;
    int64_t last_look = 0;
    SteadyTime looked_at = SteadyTime::InfinitePast();
    // Unavailable while a file is missing.
    absl::Status whole;
  };

  // The version to work on; if it is 0, none, and `failure` is the first reason against one.
  struct Choice {
    int64_t version;
    absl::Status failure;
  };

  SnapshotLoader(SnapshotLoaderOptions options, Gallery* gallery);

  void Run();
  // Implements Load. `patient`: waits with incomplete versions and until retries are due.
  absl::Status Look(bool patient);
  // Versions that would be better than the serving one, best first. While none serves, the one that
  // the gallery is embedded with comes first.
  absl::StatusOr<std::vector<int64_t>> Wanted();
  void PutEmbeddedFirst(std::vector<int64_t>* versions) const;
  // Records the files of each version that has not been tried or has failed, once per scan.
  void LookAtFiles(const std::vector<int64_t>& versions);
  // True if a version is incomplete and should not be tried yet.
  bool IsIncomplete(int64_t version) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // True if the files of a failed version have changed, and stopped changing.
  bool HasChanged(int64_t version, const Attempted& attempted) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Choice Choose(const std::vector<int64_t>& wanted) const;
  // An error, recorded in interrupted_, if the loader should abandon the version.
  absl::Status StillWanted(int64_t version);
  // As StillWanted, but looks at nothing that may be slow, so not at the store.
  absl::Status StillPinned(int64_t version);
  // Waits after a piece of work that took this long, to leave room for searches; 0: somebody may be
  // waiting for the loader. Errors as StillWanted.
  absl::Status Pause(int64_t version, absl::Duration took);

  // True on the loader's own thread while another version serves.
  bool IsBackground() const {
    absl::MutexLock lock(&mutex_);
    return patient_ && serving_version_ != 0;
  }
  absl::Status Serve(int64_t version);
  // Serve, with an exception of a library as its error: it fails the version and not the server.
  absl::Status TryToServe(int64_t version);
  absl::Status WarmUp(const Encoder& encoder);
  absl::Status Embed(const std::shared_ptr<const Encoder>& encoder);
  void NoteServing(const Encoder& encoder);
  void NoteFailed(int64_t version, const absl::Status& failure);
  void NoteInterrupted(int64_t version);
  // Records a state other than serving and failed.
  void Note(int64_t version, VersionState state, double progress = 0,
            absl::Duration eta = absl::InfiniteDuration());
  void Report(VersionStatus status) const;

  const SnapshotLoaderOptions options_;
  const CheckpointAdopter checkpoints_;
  const EmbeddingPace pace_;
  Gallery* const gallery_;

  // Held for a whole scan: scans take turns.
  absl::Mutex load_mutex_;
  // Held while the pin is checked and written.
  absl::Mutex pin_mutex_;

  mutable absl::Mutex mutex_;
  // Told when `woken_` or `stopping_` is set.
  SteadyWait wait_;
  // A version that is not listed is only published.
  std::map<int64_t, Attempted> attempted_ ABSL_GUARDED_BY(mutex_);
  // The versions that the last scan found, to notice changes.
  std::set<int64_t> seen_ ABSL_GUARDED_BY(mutex_);
  std::map<int64_t, Seen> seen_files_ ABSL_GUARDED_BY(mutex_);
  // The versions that served last, latest first.
  std::deque<int64_t> served_ ABSL_GUARDED_BY(mutex_);
  int64_t serving_version_ ABSL_GUARDED_BY(mutex_) = 0;
  std::string device_ ABSL_GUARDED_BY(mutex_);
  // The number of the current scan, and whether it is patient.
  int64_t look_ ABSL_GUARDED_BY(mutex_) = 0;
  bool patient_ ABSL_GUARDED_BY(mutex_) = false;
  // The current version was abandoned for another one, or for Stop.
  bool interrupted_ ABSL_GUARDED_BY(mutex_) = false;
  // The pin has changed since the thread last read it.
  bool woken_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;

  std::thread thread_;
};

}  // namespace s2p

#endif  // S2P_SERVER_VERSIONS_SNAPSHOT_LOADER_H_
