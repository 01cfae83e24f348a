#include "client/web/gallery_training.h"

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "base/steady_time.h"
#include "daemon/log.h"
#include "daemon/retry_after.h"

namespace s2p {
namespace {

using State = GalleryTrainingProgress::State;
using To = ForwardedCall::To;

constexpr int kMostTries = 10;
// Deadline of a call; the largest photo takes seconds.
constexpr absl::Duration kTimeout = absl::Seconds(60);

bool IsUnderWay(State state) { return state == State::kExporting || state == State::kSubmitting; }

bool IsBusy(const absl::Status& status) { return RetryAfter(status).has_value(); }
bool IsBusyOrAway(const absl::Status& status) {
  return IsBusy(status) || absl::IsUnavailable(status);
}

}  // namespace

GalleryTraining::~GalleryTraining() {
  Cancel();
  std::thread thread;
  {
    absl::MutexLock lock(&mutex_);
    thread = std::move(thread_);
  }
  if (thread.joinable()) thread.join();
}

absl::Status GalleryTraining::Begin(v1::TrainingSpec spec, const CallOrigin& origin) {
  if (!spec.target_dataset().empty()) {
    return absl::InvalidArgumentError("spec.target_dataset: leave it out, it is the gallery");
  }
  absl::MutexLock lock(&mutex_);
  if (IsUnderWay(progress_.state)) {
    return absl::FailedPreconditionError("the gallery is being exported already");
  }
  // The previous thread no longer needs the mutex.
  if (thread_.joinable()) thread_.join();
  progress_ = {};
  progress_.state = State::kExporting;
  cancel_ = false;
  thread_ = std::thread(
      [this, spec = std::move(spec), origin]() mutable { Run(std::move(spec), origin); });
  return absl::OkStatus();
}

void GalleryTraining::Cancel() {
  absl::MutexLock lock(&mutex_);
  cancel_ = true;
  // A job that is being submitted may have been accepted: its id is worth knowing.
  if (call_ != nullptr && progress_.state == State::kExporting) call_->TryCancel();
  cancelled_.NotifyAll();
}

GalleryTrainingProgress GalleryTraining::progress() const {
  absl::MutexLock lock(&mutex_);
  return progress_;
}

void GalleryTraining::Run(v1::TrainingSpec spec, const CallOrigin& origin) {
  LogInfo("exporting the gallery",
          {{"request_id", origin.request_id}, {"folder", options_.export_dir}});
  auto name = Export(origin);
  if (!name.ok()) return End(name.status());
  {
    absl::MutexLock lock(&mutex_);
    if (!cancel_) progress_.state = State::kSubmitting;
  }
  const std::string& folder =
      options_.trainer_export_dir.empty() ? options_.export_dir : options_.trainer_export_dir;
  spec.set_target_dataset(absl::StrCat(folder, "/", *name));
  End(Submit(spec, origin));
}

void GalleryTraining::End(const absl::StatusOr<std::string>& job_id) {
  State state = State::kSubmitted;
  {
    absl::MutexLock lock(&mutex_);
    if (!job_id.ok()) {
      const bool cancelled = cancel_ && absl::IsCancelled(job_id.status());
      state = cancelled ? State::kCancelled : State::kFailed;
    }
    progress_.state = state;
    if (job_id.ok()) progress_.job_id = *job_id;
    if (state == State::kFailed) progress_.error = job_id.status();
  }
  if (job_id.ok()) LogInfo("submitted a job for the gallery", {{"job", *job_id}});
  if (state == State::kFailed) {
    LogWarning("cannot train on the gallery", {{"reason", job_id.status()}});
  }
}

absl::StatusOr<std::string> GalleryTraining::Export(const CallOrigin& origin) {
  GallerySource source;
  source.list = [&] { return List(origin); };
  source.original = [&](const std::string& photo_id) { return Original(photo_id, origin); };
  source.on_photo = [this](size_t done, size_t total) { return ShowPhotos(done, total); };
  GalleryFolderOptions options;
  options.folder = options_.export_dir;
  return ExportGallery(options, source);
}

absl::Status GalleryTraining::ShowPhotos(size_t done, size_t total) {
  absl::MutexLock lock(&mutex_);
  if (cancel_) return absl::CancelledError("cancelled");
  progress_.photos_done = done;
  progress_.photos = total;
  return absl::OkStatus();
}

absl::StatusOr<std::vector<v1::Photo>> GalleryTraining::List(const CallOrigin& origin) {
  std::vector<v1::Photo> photos;
  v1::ListPhotosRequest request;
  do {
    v1::ListPhotosResponse page;
    const auto list = [&] {
      return Call(To::kServer, origin, [&](grpc::ClientContext* context) {
        return backend_.gallery()->ListPhotos(context, request, &page);
      });
    };
    S2P_RETURN_IF_ERROR(Repeat(list, IsBusyOrAway));
    photos.insert(photos.end(), page.photos().begin(), page.photos().end());
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  return photos;
}

absl::StatusOr<OriginalPhoto> GalleryTraining::Original(const std::string& photo_id,
                                                        const CallOrigin& origin) {
  v1::GetPhotoRequest request;
  request.set_photo_id(photo_id);
  request.set_rendition(v1::RENDITION_ORIGINAL);
  OriginalPhoto original;
  const auto get = [&] {
    return Call(To::kServer, origin, [&](grpc::ClientContext* context) {
      original = {};
      const auto reader = backend_.gallery()->GetPhoto(context, request);
      v1::GetPhotoResponse response;
      while (reader->Read(&response)) {
        if (response.has_photo()) original.photo = std::move(*response.mutable_photo());
        original.bytes += response.chunk();
      }
      return reader->Finish();
    });
  };
  S2P_RETURN_IF_ERROR(Repeat(get, IsBusyOrAway));
  return original;
}

absl::StatusOr<std::string> GalleryTraining::Submit(const v1::TrainingSpec& spec,
                                                    const CallOrigin& origin) {
  v1::SubmitJobRequest request;
  *request.mutable_spec() = spec;
  v1::SubmitJobResponse response;
  const auto submit = [&] {
    return Call(To::kTrainer, origin, [&](grpc::ClientContext* context) {
      return backend_.training()->SubmitJob(context, request, &response);
    });
  };
  S2P_RETURN_IF_ERROR(Repeat(submit, IsBusy));
  return response.job().job_id();
}

absl::Status GalleryTraining::Call(To to, const CallOrigin& origin,
                                   const std::function<grpc::Status(grpc::ClientContext*)>& make) {
  ForwardedCall call(backend_, to, origin, kTimeout);
  {
    absl::MutexLock lock(&mutex_);
    if (cancel_) return absl::CancelledError("cancelled");
    call_ = &call.context();
  }
  const grpc::Status status = make(&call.context());
  absl::MutexLock lock(&mutex_);
  call_ = nullptr;
  return call.StatusOf(status);
}

absl::Status GalleryTraining::Repeat(const std::function<absl::Status()>& call,
                                     const std::function<bool(const absl::Status&)>& is_temporary) {
  for (int tries = 1;; ++tries) {
    absl::Status status = call();
    if (tries == kMostTries || !is_temporary(status)) return status;
    const absl::Duration pause = RetryAfter(status).value_or(options_.retry_pause);
    absl::MutexLock lock(&mutex_);
    const auto is_cancelled = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return cancel_; };
    if (cancelled_.Until(&mutex_, SteadyTime::Now() + pause, is_cancelled)) {
      return absl::CancelledError("cancelled");
    }
  }
}

}  // namespace s2p
