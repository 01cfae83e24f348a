#include "client/connection/search_client.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <deque>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "base/steady_time.h"
#include "client/connection/grpc_channel.h"
#include "s2p/v1/gallery.grpc.pb.h"
#include "s2p/v1/model.grpc.pb.h"
#include "s2p/v1/search.grpc.pb.h"

namespace s2p {

struct SearchClient::Stubs {
  std::unique_ptr<v1::SearchService::Stub> search;
  std::unique_ptr<v1::GalleryService::Stub> gallery;
  std::unique_ptr<v1::ModelService::Stub> model;
};

namespace {

// A busy server says in grpc-retry-pushback-ms when to retry; gRPC obeys it only under a retry
// policy, and only while the request still fits into the retry buffer. AddPhotos has no policy,
// because AddPhotos below resumes it where it broke: when gRPC 1.51 retries a stream that was
// already written to, messages may be missing, and then the answers do not match.
constexpr char kServiceConfig[] = R"({"methodConfig": [{
  "name": [{"service": "s2p.v1.GalleryService", "method": "AddPhotos"}]}, {
  "name": [{"service": "s2p.v1.SearchService"}, {"service": "s2p.v1.GalleryService"},
           {"service": "s2p.v1.ModelService"}],
  "retryPolicy": {"maxAttempts": 5, "initialBackoff": "0.1s", "maxBackoff": "2s",
                  "backoffMultiplier": 2,
                  "retryableStatusCodes": ["RESOURCE_EXHAUSTED", "UNAVAILABLE"]}}]})";
constexpr char kProgram[] = "s2p-server";
// Pause before resuming a broken stream: doubled each time, up to the second value.
constexpr absl::Duration kFirstPause = absl::Milliseconds(100);
constexpr absl::Duration kLongestPause = absl::Seconds(2);

// The photos that were sent, or failed before sending, and have no outcome yet. Thread-safe.
class Unanswered {
 public:
  void Push(AddOutcome outcome) {
    absl::MutexLock lock(&mutex_);
    outcomes_.push_back(std::move(outcome));
  }
  // Passes the failed photos at the front to `sink`.
  void TakeFailed(const SearchClient::OutcomeSink& sink, size_t& answered) {
    for (;;) {
      AddOutcome outcome;
      {
        absl::MutexLock lock(&mutex_);
        if (outcomes_.empty() || outcomes_.front().status.ok()) return;
        outcome = std::move(outcomes_.front());
        outcomes_.pop_front();
      }
      ++answered;
      sink(outcome);
    }
  }
  // The photo that the next answer is for; false if none is waiting for an answer.
  bool TakeSent(AddOutcome& outcome) {
    absl::MutexLock lock(&mutex_);
    if (outcomes_.empty()) return false;
    outcome = std::move(outcomes_.front());
    outcomes_.pop_front();
    return true;
  }
  size_t size() const {
    absl::MutexLock lock(&mutex_);
    return outcomes_.size();
  }

 private:
  mutable absl::Mutex mutex_;
  std::deque<AddOutcome> outcomes_ ABSL_GUARDED_BY(mutex_);
};

using AddStream = grpc::ClientReaderWriter<v1::AddPhotoRequest, v1::AddPhotoResponse>;

void SendPhotos(size_t begin, size_t end, const SearchClient::PhotoSource& source,
                AddStream& stream, Unanswered& unanswered) {
  for (size_t index = begin; index < end; ++index) {
    auto request = source(index);
    AddOutcome outcome;
    outcome.index = index;
    outcome.status = request.status();
    unanswered.Push(std::move(outcome));
    if (request.ok() && !stream.Write(*request)) return;
  }
  stream.WritesDone();
}

// The progress of AddPhotos.
struct AddState {
  // Index of the first photo without an outcome.
  size_t answered = 0;
  // One past the last photo that the latest stream may have sent.
  size_t sent = 0;
  // Whether the server has answered any photo.
  bool heard = false;
};

// Sends the photos from `state.answered` to `end` in one stream, and advances `state` with every
// outcome. A photo that the server had no more time for ends the stream.
grpc::Status AddOnce(grpc::ClientContext& context, AddStream& stream, size_t end,
                     const SearchClient::PhotoSource& source, const SearchClient::OutcomeSink& sink,
                     AddState& state) {
  Unanswered unanswered;
  std::thread sender(
      [&, begin = state.answered] { SendPhotos(begin, end, source, stream, unanswered); });
  v1::AddPhotoResponse response;
  bool surplus = false;
  grpc::Status cut_off;
  while (stream.Read(&response)) {
    unanswered.TakeFailed(sink, state.answered);
    AddOutcome outcome;
    if (!unanswered.TakeSent(outcome)) {
      surplus = true;
      continue;
    }
    state.heard = true;
    const auto code = static_cast<absl::StatusCode>(response.status().code());
    if (code == absl::StatusCode::kUnavailable) {
      context.TryCancel();
      cut_off = grpc::Status(grpc::StatusCode::UNAVAILABLE, response.status().message());
      break;
    }
    outcome.status = absl::Status(code, response.status().message());
    outcome.response = std::move(response);
    ++state.answered;
    sink(outcome);
  }
  // Once the stream is cancelled, the sender's writes fail, and so do the photos whose answers are
  // not read.
  while (!cut_off.ok() && stream.Read(&response)) {
  }
  const grpc::Status status = stream.Finish();
  sender.join();
  if (!cut_off.ok()) return cut_off;
  unanswered.TakeFailed(sink, state.answered);
  state.sent = state.answered + unanswered.size();
  if (status.ok() && (surplus || state.answered < end)) {
    return grpc::Status(grpc::StatusCode::INTERNAL,
                        "the answers do not match the photos, one for each");
  }
  return status;
}

// Called after a stream that ended with a message that the server cannot accept: too large, or not
// a valid message. Answers to earlier photos may be lost, so the culprit is certain only if it was
// alone.
void FailIfAlone(const absl::Status& failure, const SearchClient::OutcomeSink& sink,
                 AddState& state) {
  if (state.sent != state.answered + 1) return;
  AddOutcome outcome;
  outcome.index = state.answered++;
  outcome.status = failure;
  sink(outcome);
}

}  // namespace

SearchClient::SearchClient(ClientOptions options, std::unique_ptr<Stubs> stubs)
    : options_(std::move(options)), stubs_(std::move(stubs)) {}
SearchClient::~SearchClient() = default;

absl::StatusOr<std::unique_ptr<SearchClient>> SearchClient::Create(const ClientOptions& options) {
  S2P_ASSIGN_OR_RETURN(const auto made, MakeChannel(options, kServiceConfig));
  const std::shared_ptr<grpc::Channel>& channel = made;
  auto stubs = std::make_unique<Stubs>();
  stubs->search = v1::SearchService::NewStub(channel);
  stubs->gallery = v1::GalleryService::NewStub(channel);
  stubs->model = v1::ModelService::NewStub(channel);
  return std::unique_ptr<SearchClient>(new SearchClient(options, std::move(stubs)));
}

absl::StatusOr<v1::SearchResponse> SearchClient::Search(const v1::SearchRequest& request) const {
  return Unary<v1::SearchResponse>(options_, kProgram, request, [this](auto&&... arguments) {
    return stubs_->search->Search(arguments...);
  });
}

absl::Status SearchClient::AddPhotos(size_t count, const PhotoSource& source,
                                     const OutcomeSink& sink, const BreakSink& on_break) const {
  AddState state;
  // Photos before this index get a stream each, because one of them ended a stream that held
  // several.
  size_t alone_until = 0;
  SteadyTime last_answer = SteadyTime::Now();
  absl::Duration pause = kFirstPause;
  while (state.answered < count) {
    const size_t before = state.answered;
    const size_t end = before < alone_until ? before + 1 : count;
    grpc::ClientContext context;
    Prepare(options_, /*with_deadline=*/false, context);
    auto stream = stubs_->gallery->AddPhotos(&context);
    const grpc::Status status = AddOnce(context, *stream, end, source, sink, state);
    if (state.answered > before) {
      last_answer = SteadyTime::Now();
      pause = kFirstPause;
    }
    if (status.ok()) continue;
    const absl::Status failure = FromGrpc(status, options_.server, kProgram);
    if (absl::IsInvalidArgument(failure) && state.sent > state.answered) {
      alone_until = state.sent;
      FailIfAlone(failure, sink, state);
      continue;
    }
    const bool go_on = absl::IsUnavailable(failure) && state.heard && options_.retry &&
                       SteadyTime::Now() - last_answer < options_.timeout;
    if (!go_on) return failure;
    if (on_break) on_break(failure);
    absl::SleepFor(pause);
    pause = std::min(pause * 2, kLongestPause);
  }
  return absl::OkStatus();
}

absl::StatusOr<v1::DeletePhotosResponse> SearchClient::DeletePhotos(
    const v1::DeletePhotosRequest& request) const {
  return Unary<v1::DeletePhotosResponse>(options_, kProgram, request, [this](auto&&... arguments) {
    return stubs_->gallery->DeletePhotos(arguments...);
  });
}

absl::Status SearchClient::GetPhoto(const v1::GetPhotoRequest& request,
                                    const ChunkSink& sink) const {
  grpc::ClientContext context;
  Prepare(options_, /*with_deadline=*/true, context);
  auto reader = stubs_->gallery->GetPhoto(&context, request);
  v1::GetPhotoResponse response;
  absl::Status taken;
  while (taken.ok() && reader->Read(&response)) taken = sink(response);
  if (!taken.ok()) context.TryCancel();
  const grpc::Status status = reader->Finish();
  return taken.ok() ? FromGrpc(status, options_.server, kProgram) : taken;
}

absl::StatusOr<v1::ListPhotosResponse> SearchClient::ListPhotos(
    const v1::ListPhotosRequest& request) const {
  return Unary<v1::ListPhotosResponse>(options_, kProgram, request, [this](auto&&... arguments) {
    return stubs_->gallery->ListPhotos(arguments...);
  });
}

absl::StatusOr<v1::GetGalleryStatsResponse> SearchClient::GetGalleryStats() const {
  return Unary<v1::GetGalleryStatsResponse>(
      options_, kProgram, v1::GetGalleryStatsRequest(),
      [this](auto&&... arguments) { return stubs_->gallery->GetGalleryStats(arguments...); });
}

absl::StatusOr<v1::GetModelStatusResponse> SearchClient::GetModelStatus() const {
  return Unary<v1::GetModelStatusResponse>(
      options_, kProgram, v1::GetModelStatusRequest(),
      [this](auto&&... arguments) { return stubs_->model->GetModelStatus(arguments...); });
}

absl::StatusOr<v1::SetServingVersionResponse> SearchClient::SetServingVersion(
    std::optional<int64_t> version) const {
  v1::SetServingVersionRequest request;
  if (version) request.set_version(*version);
  return Unary<v1::SetServingVersionResponse>(
      options_, kProgram, request,
      [this](auto&&... arguments) { return stubs_->model->SetServingVersion(arguments...); });
}

absl::Status SearchClient::WatchModelStatus(const ModelStatusSink& sink) const {
  for (;;) {
    grpc::ClientContext context;
    Prepare(options_, /*with_deadline=*/false, context);
    auto reader = stubs_->model->WatchModelStatus(&context, v1::WatchModelStatusRequest());
    v1::WatchModelStatusResponse response;
    absl::Status taken;
    bool any = false;
    while (taken.ok() && reader->Read(&response)) {
      any = true;
      taken = sink(response.status());
    }
    if (!taken.ok()) context.TryCancel();
    const grpc::Status status = reader->Finish();
    if (!taken.ok()) return taken;
    // Only a server that shuts down ends a stream itself.
    if (any && (status.ok() || status.error_code() == grpc::StatusCode::UNAVAILABLE)) continue;
    if (status.ok()) return absl::InternalError("the server sent no status");
    return FromGrpc(status, options_.server, kProgram);
  }
}

}  // namespace s2p
