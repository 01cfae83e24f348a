#include "server/rpc/photo_adder.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "base/status_macros.h"
#include "image/dominant_colours.h"
#include "model/sha256.h"
#include "rpc/grpc_status.h"
#include "server/rpc/to_proto.h"
#include "server/search/request_checks.h"

namespace s2p {
namespace {

// A model change between embedding and writing makes the embedding useless. Changes are rare.
constexpr int kMostEmbeddings = 5;

absl::StatusOr<OnConflict> ParseOnConflict(v1::OnConflict on_conflict) {
  switch (on_conflict) {
    case v1::ON_CONFLICT_UNSPECIFIED:
    case v1::ON_CONFLICT_FAIL:
      return OnConflict::kFail;
    case v1::ON_CONFLICT_REPLACE:
      return OnConflict::kReplace;
    case v1::ON_CONFLICT_SKIP:
      return OnConflict::kSkip;
    default:
      return BadField("on_conflict", "is unknown");
  }
}

v1::AddPhotoResponse::Result ToProto(AddResult result) {
  switch (result) {
    case AddResult::kAdded:
      return v1::AddPhotoResponse::RESULT_ADDED;
    case AddResult::kReplaced:
      return v1::AddPhotoResponse::RESULT_REPLACED;
    case AddResult::kUnchanged:
      return v1::AddPhotoResponse::RESULT_UNCHANGED;
    case AddResult::kSkipped:
      return v1::AddPhotoResponse::RESULT_SKIPPED;
  }
  return v1::AddPhotoResponse::RESULT_UNSPECIFIED;
}

absl::StatusOr<NewItem> ParseItem(v1::AddPhotoRequest request, const Limits& limits) {
  NewItem item;
  absl::Status status = CheckPhotoId(request.photo_id(), "photo_id", limits);
  if (status.ok()) status = CheckMetadata(request.metadata(), "metadata", limits);
  if (!status.ok()) return status;
  S2P_ASSIGN_OR_RETURN(const auto modality,
                       ParseModality(request.modality(), "modality", v1::MODALITY_PHOTO));
  S2P_ASSIGN_OR_RETURN(const auto on_conflict, ParseOnConflict(request.on_conflict()));
  const auto header = ReadImageHeader(request.image(), limits.image);
  if (!header.ok()) return BadField("image", header.status().message());
  item.photo_id = request.photo_id();
  item.modality = modality;
  item.metadata.insert(request.metadata().begin(), request.metadata().end());
  item.on_conflict = on_conflict;
  item.header = *header;
  item.bytes = std::move(*request.mutable_image());
  item.sha256 = Sha256(item.bytes);
  return item;
}

// Decodes the item's image and preprocesses it; sets the item's colours. `memory` keeps what the
// request's pixels take.
absl::StatusOr<BatchRequest> Decode(const ServiceContext& service, const CallLife& life,
                                    NewItem& item, Budget::Share& memory) {
  const DecodeLane& lane = service.add_decoding;
  S2P_ASSIGN_OR_RETURN(memory, lane.memory->Take(item.header.decode_bytes, life));
  auto image = lane.decoder->Decode(item.bytes, service.limits.image, life);
  if (absl::IsInvalidArgument(image.status())) return BadField("image", image.status().message());
  if (!image.ok()) return image.status();
  Budget::Share place;
  if (lane.places != nullptr) {
    S2P_ASSIGN_OR_RETURN(place, lane.places->Take(1, life));
  }
  // A drawing has the colour of its pen.
  if (item.modality == v1::MODALITY_PHOTO) item.colours = DominantColours(*image);
  BatchRequest request;
  request.images.push_back(*std::move(image));
  request.modalities.push_back(item.modality);
  request.priority = BatchRequest::Priority::kBackground;
  request.cancelled = life.cancelled;
  S2P_RETURN_IF_ERROR(PreprocessImages(*service.slot, request));
  memory.Shrink(PixelBytes(request));
  return request;
}

// Decodes the item's image and embeds it; sets version, embedding, attributes and colours.
absl::Status Embed(const ServiceContext& service, const std::function<bool()>& cancelled,
                   NewItem& item) {
  const CallLife life{SteadyTime::InfiniteFuture(), cancelled};
  Budget::Share memory;
  S2P_ASSIGN_OR_RETURN(auto request, Decode(service, life, item, memory));
  absl::Notification finished;
  absl::StatusOr<BatchResult> result = absl::UnknownError("not run");
  request.done = [&](absl::StatusOr<BatchResult> batch) {
    result = std::move(batch);
    finished.Notify();
  };
  S2P_RETURN_IF_ERROR(service.batcher->Submit(std::move(request)));
  finished.WaitForNotification();
  if (!result.ok()) return result.status();
  const auto embedding = result->encoding.embeddings.row(0);
  const auto attributes = result->encoding.attributes.row(0);
  item.version = result->snapshot->version;
  item.embedding.assign(embedding.begin(), embedding.end());
  item.attributes.assign(attributes.begin(), attributes.end());
  return absl::OkStatus();
}

absl::StatusOr<AddResult> Add(const ServiceContext& service, v1::AddPhotoRequest request,
                              const std::function<bool()>& cancelled) {
  S2P_ASSIGN_OR_RETURN(auto item, ParseItem(std::move(request), service.limits));
  S2P_ASSIGN_OR_RETURN(const auto found, service.gallery->Check(item));
  if (found == AddResult::kUnchanged || found == AddResult::kSkipped) return found;
  for (int attempt = 1;; ++attempt) {
    S2P_RETURN_IF_ERROR(Embed(service, cancelled, item));
    const auto added = service.gallery->Add({&item, 1}).front();
    if (!absl::IsAborted(added.status()) || attempt == kMostEmbeddings) return added;
  }
}

// Pairs of feedback may have regained or lost their photo. The photo is added in any case.
void TellFeedback(const ServiceContext& service, const std::string& photo_id, AddResult result) {
  if (service.feedback == nullptr) return;
  if (result == AddResult::kAdded) service.feedback->PhotoAdded(photo_id).IgnoreError();
  if (result == AddResult::kReplaced) service.feedback->PhotosChanged({photo_id}).IgnoreError();
}

}  // namespace

v1::AddPhotoResponse AddPhoto(const ServiceContext& service, v1::AddPhotoRequest request,
                              const std::function<bool()>& cancelled) {
  v1::AddPhotoResponse response;
  response.set_photo_id(request.photo_id());
  const auto result = Add(service, std::move(request), cancelled);
  *response.mutable_status() = s2p::ToProto(result.status(), service.gate->hidden());
  if (result.ok()) {
    response.set_result(ToProto(*result));
    TellFeedback(service, response.photo_id(), *result);
  }
  service.metrics->CountGalleryWrite("add", CodeName(result.status().code()));
  return response;
}

}  // namespace s2p
