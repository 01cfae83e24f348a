#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "client/web/http_error.h"
#include "client/web/json_message.h"
#include "client/web/routes.h"
#include "client/web/streamed_call.h"
#include "daemon/callers/call_places.h"
#include "daemon/retry_after.h"

namespace s2p {
namespace {

using Done = ForwardedCall::Done;

// A browser may show a thumbnail this long without asking whether the photo has changed.
constexpr char kThumbnailCaching[] = "private, max-age=60, stale-while-revalidate=600";
constexpr char kOriginalCaching[] = "private, no-cache";
// A picture in a page cannot set a deadline. This suffices for 20 MiB over a line of 1 Mbit/s.
constexpr absl::Duration kOriginalTimeout = absl::Minutes(3);

// Reads one GetPhoto call to its end. Lives until then.
class PhotoReader final : public grpc::ClientReadReactor<v1::GetPhotoResponse> {
 public:
  // Gets each message, one after the other, on a thread of gRPC.
  using Take = std::function<void(const v1::GetPhotoResponse&)>;

  PhotoReader(const v1::GetPhotoRequest& request, Take take)
      : request_(request), take_(std::move(take)) {}

  void Start(v1::GalleryService::Stub& gallery, grpc::ClientContext* context, Done done) {
    done_ = std::move(done);
    gallery.async()->GetPhoto(context, &request_, this);
    StartRead(&message_);
    StartCall();
  }

 private:
  void OnReadDone(bool ok) override {
    if (!ok) return;
    take_(message_);
    StartRead(&message_);
  }
  void OnDone(const grpc::Status& status) override {
    // This object may end before the function returns.
    const Done done = std::move(done_);
    done(status);
  }

  const v1::GetPhotoRequest request_;
  const Take take_;
  Done done_;
  v1::GetPhotoResponse message_;
};

// Passes the messages of one GetPhoto call to `take`, until its end or until the browser
// disconnects.
absl::Status ReadPhoto(Backend& backend, const Exchange& exchange, v1::Rendition rendition,
                       PhotoReader::Take take) {
  v1::GetPhotoRequest request;
  request.set_photo_id(Parameter(exchange, "id"));
  request.set_rendition(rendition);
  ForwardedCall call(backend, ForwardedCall::To::kServer, exchange);
  PhotoReader reader(request, std::move(take));
  return call.Await(exchange, [&](Done done) {
    reader.Start(*backend.gallery(), &call.context(), std::move(done));
  });
}

// The photo's metadata and properties; errors as GetPhoto.
absl::StatusOr<v1::Photo> Facts(Backend& backend, const Exchange& exchange) {
  v1::Photo photo;
  S2P_RETURN_IF_ERROR(ReadPhoto(backend, exchange, v1::RENDITION_NONE,
                                [&photo](const v1::GetPhotoResponse& message) {
                                  if (message.has_photo()) photo = message.photo();
                                }));
  return photo;
}

absl::Status GetFacts(Backend& backend, Exchange& exchange) {
  S2P_ASSIGN_OR_RETURN(const auto photo, Facts(backend, exchange));
  AnswerJson(exchange, photo);
  return absl::OkStatus();
}

// True if the browser already has the same picture, so that its bytes need not be sent.
absl::StatusOr<bool> IsUnchanged(Backend& backend, Exchange& exchange, const char* kind) {
  if (!exchange.request.HasHeader("If-None-Match")) return false;
  S2P_ASSIGN_OR_RETURN(const auto photo, Facts(backend, exchange));
  return AnswerUnchanged(exchange, absl::StrCat(photo.sha256(), kind));
}

absl::Status GetThumbnail(Backend& backend, Exchange& exchange) {
  S2P_ASSIGN_OR_RETURN(const auto unchanged, IsUnchanged(backend, exchange, "-t"));
  if (!unchanged) {
    std::string bytes, type, sha256;
    S2P_RETURN_IF_ERROR(ReadPhoto(backend, exchange, v1::RENDITION_THUMBNAIL,
                                  [&](const v1::GetPhotoResponse& message) {
                                    if (message.has_photo()) sha256 = message.photo().sha256();
                                    if (type.empty()) type = message.content_type();
                                    bytes += message.chunk();
                                  }));
    SetHeader(exchange, "ETag", absl::StrCat("\"", sha256, "-t\""));
    Answer(exchange, std::move(bytes), type);
  }
  SetHeader(exchange, "Cache-Control", kThumbnailCaching);
  return absl::OkStatus();
}

using OriginalCall = StreamedCall<v1::GetPhotoResponse>;

// A place for one more original of this client, until the last copy of the result is destroyed. A
// BusyError if the client has no share left.
absl::StatusOr<std::shared_ptr<void>> TakePlace(CallPlaces& originals, const Exchange& exchange) {
  // A browser that reads takes an original in about this time.
  constexpr absl::Duration kRetryAfter = absl::Seconds(1);
  auto place = originals.Take(exchange.client);
  if (!place) {
    return BusyError(absl::StrCat("no place is left for another original to the address ",
                                  exchange.client, " (", originals.most(), " are shared by all)"),
                     kRetryAfter);
  }
  return std::make_shared<CallPlaces::Place>(std::move(place));
}

std::shared_ptr<OriginalCall> StartOriginal(Backend& backend, const Exchange& exchange,
                                            std::shared_ptr<void> place) {
  v1::GetPhotoRequest request;
  request.set_photo_id(Parameter(exchange, "id"));
  request.set_rendition(v1::RENDITION_ORIGINAL);
  StreamedBody<v1::GetPhotoResponse> body;
  body.piece = [](v1::GetPhotoResponse& message) { return std::move(*message.mutable_chunk()); };
  body.held = std::move(place);
  return OriginalCall::Start(
      backend, ForwardedCall::To::kServer, exchange, /*has_deadline=*/true, std::move(body),
      [&backend, request = std::move(request)](auto* context, auto* reactor) {
        backend.gallery()->async()->GetPhoto(context, &request, reactor);
      });
}

// Forwards the original to the browser chunk by chunk, so that it is never in memory as a whole.
// The call lasts as long as the browser takes to read, and the server counts it as the gateway's.
absl::Status GetOriginal(Backend& backend, CallPlaces& originals, Exchange& exchange) {
  S2P_ASSIGN_OR_RETURN(const auto unchanged, IsUnchanged(backend, exchange, ""));
  SetHeader(exchange, "Cache-Control", kOriginalCaching);
  if (unchanged) return absl::OkStatus();
  S2P_ASSIGN_OR_RETURN(auto place, TakePlace(originals, exchange));
  exchange.timeout = std::max(exchange.timeout, kOriginalTimeout);
  const auto call = StartOriginal(backend, exchange, std::move(place));
  S2P_ASSIGN_OR_RETURN(const bool has_message, call->AwaitFirst(exchange.request));
  if (!has_message) return absl::InternalError("an empty answer");
  SetHeader(exchange, "ETag", absl::StrCat("\"", call->first().photo().sha256(), "\""));
  SetHeader(exchange, "Content-Type", call->first().content_type());
  exchange.response.source = call;
  return absl::OkStatus();
}

// Sends one photo over an AddPhotos stream of its own. Lives until the stream's end.
class PhotoAdder final : public grpc::ClientBidiReactor<v1::AddPhotoRequest, v1::AddPhotoResponse> {
 public:
  // `request` is borrowed.
  explicit PhotoAdder(const v1::AddPhotoRequest& request) : request_(request) {}

  void Start(v1::GalleryService::Stub& gallery, grpc::ClientContext* context, Done done) {
    done_ = std::move(done);
    gallery.async()->AddPhotos(context, this);
    StartWriteLast(&request_, grpc::WriteOptions());
    StartRead(&message_);
    StartCall();
  }
  // The server's first answer; after the end.
  const std::optional<v1::AddPhotoResponse>& answer() const { return answer_; }

 private:
  // The stream should end well after one answer; anything else would be the server's fault.
  void OnReadDone(bool ok) override {
    if (!ok) return;
    if (!answer_.has_value()) answer_ = message_;
    StartRead(&message_);
  }
  void OnDone(const grpc::Status& status) override {
    // This object may end before the function returns.
    const Done done = std::move(done_);
    done(status);
  }

  const v1::AddPhotoRequest& request_;
  Done done_;
  v1::AddPhotoResponse message_;
  std::optional<v1::AddPhotoResponse> answer_;
};

absl::Status AddOne(Backend& backend, const v1::AddPhotoRequest& request, Exchange& exchange) {
  if (request.image().empty()) return absl::InvalidArgumentError("image: is empty");
  ForwardedCall call(backend, ForwardedCall::To::kServer, exchange);
  PhotoAdder adder(request);
  S2P_RETURN_IF_ERROR(call.Await(exchange, [&](Done done) {
    adder.Start(*backend.gallery(), &call.context(), std::move(done));
  }));
  if (!adder.answer().has_value()) {
    return absl::InternalError("the server did not answer for the photo");
  }
  const auto& status = adder.answer()->status();
  if (status.code() != 0) {
    return WithServerLimits(
        absl::Status(static_cast<absl::StatusCode>(status.code()), status.message()));
  }
  AnswerJson(exchange, *adder.answer());
  return absl::OkStatus();
}

// The photo's bytes are the body; the rest of the request is in the URL.
absl::Status PutPhoto(Backend& backend, Exchange& exchange) {
  v1::AddPhotoRequest request;
  std::string bytes;
  bytes.swap(exchange.request.body);
  S2P_RETURN_IF_ERROR(ReadRequest(exchange, request));
  request.set_image(std::move(bytes));
  return AddOne(backend, request, exchange);
}

// The body is the whole request, for metadata that is too long for a URL.
absl::Status PostPhoto(Backend& backend, Exchange& exchange) {
  v1::AddPhotoRequest request;
  S2P_RETURN_IF_ERROR(ReadRequest(exchange, request));
  return AddOne(backend, request, exchange);
}

}  // namespace

void AddPhotoRoutes(Backend& backend, CallPlaces& originals, Router& router) {
  using Access = Router::Access;
  const auto add = [&](const char* method, const char* path, Access access,
                       absl::Status (*handler)(Backend&, Exchange&)) {
    router.Add(method, path, access,
               [&backend, handler](Exchange& exchange) { return handler(backend, exchange); });
  };
  add("GET", "/api/photo", Access::kAnyone, GetFacts);
  add("GET", "/api/photo/thumbnail", Access::kAnyone, GetThumbnail);
  router.Add("GET", "/api/photo/original", Access::kAnyone,
             [&](Exchange& exchange) { return GetOriginal(backend, originals, exchange); });
  add("PUT", "/api/photo", Access::kOperator, PutPhoto);
  add("POST", "/api/photo", Access::kOperator, PostPhoto);
}

}  // namespace s2p
