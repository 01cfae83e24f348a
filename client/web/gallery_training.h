// Training that begins with the photos of the gallery.
#ifndef S2P_CLIENT_WEB_GALLERY_TRAINING_H_
#define S2P_CLIENT_WEB_GALLERY_TRAINING_H_

#include <grpcpp/grpcpp.h>

#include <cstddef>
#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/steady_wait.h"
#include "client/web/backend.h"
#include "client/web/gallery_export.h"
#include "s2p/v1/training.pb.h"

namespace s2p {

struct GalleryTrainingOptions {
  // As GalleryFolderOptions::folder; empty: the page does not offer it.
  std::string export_dir;
  // The same folder as jobs name it; empty: by the same path.
  std::string trainer_export_dir;
  // How long a call that failed because a server is away waits before it is repeated.
  absl::Duration retry_pause = absl::Seconds(2);
};

// The progress of a training that begins with the gallery. A plain value.
struct GalleryTrainingProgress {
  enum class State {
    // Nothing has been started since the gateway has.
    kNone,
    // Photos are being copied.
    kExporting,
    // The data set is there, and the job is being submitted.
    kSubmitting,
    kSubmitted,
    kFailed,
    kCancelled,
  };
  State state = State::kNone;
  // Photos that are copied, of all; 0 of 0 before the list of photos is there.
  size_t photos_done = 0;
  size_t photos = 0;
  // The submitted job.
  std::string job_id;
  // Why it failed.
  absl::Status error;
};

// Exports the gallery and submits a job whose target it is, one at a time, on a thread of its own:
// it does not matter whether anybody watches. Calls that fail because a server is busy or away are
// repeated some ten times; a job is submitted again only if the trainer was busy, because one that
// was sent over a breaking connection may have been accepted. Thread-safe.
class GalleryTraining {
 public:
  // `backend` is borrowed, and has a trainer.
  GalleryTraining(GalleryTrainingOptions options, Backend* backend)
      : options_(std::move(options)), backend_(*backend) {}
  // As Cancel, and waits for the end.
  ~GalleryTraining();

  // `origin` goes into the logs, here and on the servers. InvalidArgument if the spec names a
  // target; FailedPrecondition if one is running.
  absl::Status Begin(v1::TrainingSpec spec, const CallOrigin& origin);
  // Cancels the export that is running, whose files are removed, or the wait for a busy trainer. A
  // call that submits the job finishes, and a finished export stays for the next Begin.
  void Cancel();
  GalleryTrainingProgress progress() const;

 private:
  using State = GalleryTrainingProgress::State;

  void Run(v1::TrainingSpec spec, const CallOrigin& origin);
  absl::StatusOr<std::string> Export(const CallOrigin& origin);
  absl::StatusOr<std::string> Submit(const v1::TrainingSpec& spec, const CallOrigin& origin);
  absl::StatusOr<std::vector<v1::Photo>> List(const CallOrigin& origin);
  absl::StatusOr<OriginalPhoto> Original(const std::string& photo_id, const CallOrigin& origin);
  // Makes a call that Cancel can end.
  absl::Status Call(ForwardedCall::To to, const CallOrigin& origin,
                    const std::function<grpc::Status(grpc::ClientContext*)>& make);
  // Repeats `call` while its error is temporary, at most ten times.
  absl::Status Repeat(const std::function<absl::Status()>& call,
                      const std::function<bool(const absl::Status&)>& is_temporary);
  absl::Status ShowPhotos(size_t done, size_t total);
  void End(const absl::StatusOr<std::string>& job_id);

  const GalleryTrainingOptions options_;
  Backend& backend_;
  mutable absl::Mutex mutex_;
  SteadyWait cancelled_;
  GalleryTrainingProgress progress_ ABSL_GUARDED_BY(mutex_);
  bool cancel_ ABSL_GUARDED_BY(mutex_) = false;
  // The call being made; null if there is none.
  grpc::ClientContext* call_ ABSL_GUARDED_BY(mutex_) = nullptr;
  std::thread thread_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace s2p

#endif  // S2P_CLIENT_WEB_GALLERY_TRAINING_H_
