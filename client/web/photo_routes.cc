#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "client/web/http_error.h"
#include "client/web/json_message.h"
#include "client/web/routes.h"
#include "client/web/streamed_call.h"

namespace s2p {
namespace {

using Reader = std::unique_ptr<grpc::ClientReader<v1::GetPhotoResponse>>;

// A browser may show a thumbnail this long without asking whether the photo has changed.
constexpr char kThumbnailCaching[] = "private, max-age=60, stale-while-revalidate=600";
constexpr char kOriginalCaching[] = "private, no-cache";
// A picture in a page cannot set a deadline. This suffices for 20 MiB over a line of 1 Mbit/s.
constexpr absl::Duration kOriginalTimeout = absl::Minutes(3);

// One GetPhoto call whose whole answer is wanted.
struct PhotoStream {
  PhotoStream(Backend& backend, const Exchange& exchange, v1::Rendition rendition)
      : call(backend, ForwardedCall::To::kServer, exchange) {
    v1::GetPhotoRequest request;
    request.set_photo_id(Parameter(exchange, "id"));
    request.set_rendition(rendition);
    reader = backend.gallery().GetPhoto(&call.context(), request);
  }
  // False if the stream has ended.
  bool Read() { return reader->Read(&message); }
  absl::Status Finish() { return call.StatusOf(reader->Finish()); }

  ForwardedCall call;
  Reader reader;
  // The message read last.
  v1::GetPhotoResponse message;
};

// The photo's metadata and properties; errors as GetPhoto.
absl::StatusOr<v1::Photo> Facts(Backend& backend, const Exchange& exchange) {
  PhotoStream stream(backend, exchange, v1::RENDITION_NONE);
  v1::Photo photo;
  if (stream.Read()) photo = stream.message.photo();
  S2P_RETURN_IF_ERROR(stream.Finish());
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
    PhotoStream stream(backend, exchange, v1::RENDITION_THUMBNAIL);
    std::string bytes, type, sha256;
    while (stream.Read()) {
      if (stream.message.has_photo()) sha256 = stream.message.photo().sha256();
      if (type.empty()) type = stream.message.content_type();
      bytes += stream.message.chunk();
    }
    S2P_RETURN_IF_ERROR(stream.Finish());
    SetHeader(exchange, "ETag", absl::StrCat("\"", sha256, "-t\""));
    Answer(exchange, std::move(bytes), type);
  }
  SetHeader(exchange, "Cache-Control", kThumbnailCaching);
  return absl::OkStatus();
}

using OriginalCall = StreamedCall<v1::GetPhotoResponse>;

std::shared_ptr<OriginalCall> StartOriginal(Backend& backend, const Exchange& exchange) {
  v1::GetPhotoRequest request;
  request.set_photo_id(Parameter(exchange, "id"));
  request.set_rendition(v1::RENDITION_ORIGINAL);
  StreamedBody<v1::GetPhotoResponse> body;
  body.piece = [](v1::GetPhotoResponse& message) { return std::move(*message.mutable_chunk()); };
  return OriginalCall::Start(
      backend, ForwardedCall::To::kServer, exchange, /*has_deadline=*/true, std::move(body),
      [&backend, request = std::move(request)](auto* context, auto* reactor) {
        backend.gallery().async()->GetPhoto(context, &request, reactor);
      });
}

// Forwards the original to the browser chunk by chunk, so that it is never in memory as a whole.
absl::Status GetOriginal(Backend& backend, Exchange& exchange) {
  S2P_ASSIGN_OR_RETURN(const auto unchanged, IsUnchanged(backend, exchange, ""));
  SetHeader(exchange, "Cache-Control", kOriginalCaching);
  if (unchanged) return absl::OkStatus();
  exchange.timeout = std::max(exchange.timeout, kOriginalTimeout);
  const auto call = StartOriginal(backend, exchange);
  S2P_ASSIGN_OR_RETURN(const bool has_message, call->AwaitFirst(exchange.request));
  if (!has_message) return absl::InternalError("an empty answer");
  SetHeader(exchange, "ETag", absl::StrCat("\"", call->first().photo().sha256(), "\""));
  SetHeader(exchange, "Content-Type", call->first().content_type());
  exchange.response.source = call;
  return absl::OkStatus();
}

absl::Status AddOne(Backend& backend, const v1::AddPhotoRequest& request, Exchange& exchange) {
  if (request.image().empty()) return absl::InvalidArgumentError("image: is empty");
  ForwardedCall call(backend, ForwardedCall::To::kServer, exchange);
  const auto stream = backend.gallery().AddPhotos(&call.context());
  v1::AddPhotoResponse response;
  stream->Write(request);
  stream->WritesDone();
  const bool answered = stream->Read(&response);
  // The stream should end well after one answer; anything else would be the server's fault.
  v1::AddPhotoResponse further;
  while (stream->Read(&further)) {
  }
  S2P_RETURN_IF_ERROR(call.StatusOf(stream->Finish()));
  if (!answered) return absl::InternalError("the server did not answer for the photo");
  if (response.status().code() != 0) {
    return WithServerLimits(absl::Status(static_cast<absl::StatusCode>(response.status().code()),
                                         response.status().message()));
  }
  AnswerJson(exchange, response);
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

void AddPhotoRoutes(Backend& backend, Router& router) {
  using Access = Router::Access;
  const auto add = [&](const char* method, const char* path, Access access,
                       absl::Status (*handler)(Backend&, Exchange&)) {
    router.Add(method, path, access,
               [&backend, handler](Exchange& exchange) { return handler(backend, exchange); });
  };
  add("GET", "/api/photo", Access::kAnyone, GetFacts);
  add("GET", "/api/photo/thumbnail", Access::kAnyone, GetThumbnail);
  add("GET", "/api/photo/original", Access::kAnyone, GetOriginal);
  add("PUT", "/api/photo", Access::kOperator, PutPhoto);
  add("POST", "/api/photo", Access::kOperator, PostPhoto);
}

}  // namespace s2p
