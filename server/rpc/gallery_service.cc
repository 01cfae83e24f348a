#include "server/rpc/gallery_service.h"

#include <algorithm>
#include <functional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/status_macros.h"
#include "rpc/grpc_status.h"
#include "s2p/v1/gallery.grpc.pb.h"
#include "server/rpc/add_photos_call.h"
#include "server/rpc/get_photo_call.h"
#include "server/rpc/to_proto.h"
#include "server/search/request_checks.h"
#include "server/search/request_limits.h"

namespace s2p {
namespace {

constexpr uint32_t kDefaultPageSize = 100;
// The most time for a GetPhoto, whatever its client allows: the largest photo at 40 kB/s.
constexpr absl::Duration kPhotoDeadline = absl::Minutes(5);

absl::Status DeleteFrom(const ServiceContext& service, const v1::DeletePhotosRequest& request,
                        v1::DeletePhotosResponse& response) {
  if (request.photo_ids().empty() ||
      request.photo_ids_size() > static_cast<int>(service.limits.max_ids)) {
    return BadField("photo_ids", absl::StrCat("must be 1 to ", service.limits.max_ids));
  }
  // An id that is given twice counts once.
  std::set<std::string> seen;
  std::vector<std::string> photo_ids;
  for (int i = 0; i < request.photo_ids_size(); ++i) {
    S2P_RETURN_IF_ERROR(
        CheckPhotoId(request.photo_ids(i), absl::StrCat("photo_ids[", i, "]"), service.limits));
    if (seen.insert(request.photo_ids(i)).second) photo_ids.push_back(request.photo_ids(i));
  }
  const auto deleted = service.gallery->Delete(photo_ids);
  service.metrics->CountGalleryWrite("delete", CodeName(deleted.status().code()),
                                     static_cast<int>(photo_ids.size()));
  if (!deleted.ok()) return deleted.status();
  for (size_t i = 0; i < photo_ids.size(); ++i) {
    if ((*deleted)[i]) {
      response.set_deleted_count(response.deleted_count() + 1);
    } else {
      response.add_missing_photo_ids(photo_ids[i]);
    }
  }
  if (service.feedback == nullptr) return absl::OkStatus();
  const absl::Status copies = service.feedback->PhotosChanged(photo_ids);
  if (copies.ok()) return copies;
  return absl::Status(copies.code(),
                      absl::StrCat("the photos are deleted, but not yet their copies in the data "
                                   "set of feedback; send this again: ",
                                   copies.message()));
}

absl::Status UpdateMetadata(const ServiceContext& service,
                            const v1::UpdatePhotoMetadataRequest& request,
                            v1::UpdatePhotoMetadataResponse& response) {
  absl::Status status = CheckPhotoId(request.photo_id(), "photo_id", service.limits);
  if (status.ok()) status = CheckMetadata(request.metadata(), "metadata", service.limits);
  if (!status.ok()) return status;
  const auto item = service.gallery->UpdateMetadata(
      request.photo_id(), {request.metadata().begin(), request.metadata().end()});
  service.metrics->CountGalleryWrite("update", CodeName(item.status().code()));
  if (!item.ok()) return item.status();
  *response.mutable_photo() = ToProto(**item);
  // Its pairs of feedback may have another identity now. The metadata is updated in any case.
  if (service.feedback != nullptr) {
    service.feedback->PhotosChanged({request.photo_id()}).IgnoreError();
  }
  return absl::OkStatus();
}

absl::Status List(const ServiceContext& service, const v1::ListPhotosRequest& request,
                  const std::function<absl::Status()>& still_wanted,
                  v1::ListPhotosResponse& response) {
  const uint32_t page_size = request.has_page_size() ? request.page_size() : kDefaultPageSize;
  if (page_size < 1 || page_size > service.limits.max_page_size) {
    return BadField("page_size", absl::StrCat("must be 1 to ", service.limits.max_page_size,
                                              ", not ", page_size));
  }
  S2P_ASSIGN_OR_RETURN(auto filter, ParseFilter(request.filter(), service.limits));
  std::string after;
  if (!absl::WebSafeBase64Unescape(request.page_token(), &after)) {
    return BadField("page_token", "is not one that this server gave");
  }
  // One item more than the page shows whether there is another page.
  S2P_ASSIGN_OR_RETURN(
      const auto items,
      service.gallery->List(after, static_cast<int>(page_size) + 1, filter, still_wanted));
  const size_t shown = std::min<size_t>(items.size(), page_size);
  for (size_t i = 0; i < shown; ++i) *response.add_photos() = ToProto(*items[i]);
  if (items.size() > shown) {
    response.set_next_page_token(absl::WebSafeBase64Escape(items[shown - 1]->photo_id));
  }
  return absl::OkStatus();
}

absl::Status GetStats(const ServiceContext& service, const v1::GetGalleryStatsRequest&,
                      v1::GetGalleryStatsResponse& response) {
  const GalleryTotals totals = service.gallery->Totals();
  response.set_photo_count(totals.photos);
  response.set_sketch_count(totals.sketches);
  response.set_total_bytes(totals.bytes);
  response.set_uncolored_photo_count(static_cast<uint64_t>(service.gallery->CountWithoutColours()));
  if (const auto snapshot = service.slot->Get()) {
    response.set_index_kind(snapshot->gallery->index_kind());
    response.set_index_recall(snapshot->gallery->index_recall());
    response.set_model_version(snapshot->version);
    response.set_dimension(static_cast<uint32_t>(snapshot->gallery->dimension()));
  }
  return absl::OkStatus();
}

// The cost of a call whose largest legal message has about `bytes`.
CallCost Cost(uint64_t bytes, std::vector<FieldLimit> fields = {}) {
  CallCost cost;
  cost.max_message_bytes += bytes;
  cost.fields = std::move(fields);
  return cost;
}

}  // namespace

GalleryServiceImpl::GalleryServiceImpl(const ServiceContext* service)
    : RpcService(v1::GalleryService::service_full_name(), service->gate), service_(*service) {
  const Limits& limits = service_.limits;
  CallCost add = Cost(service_.max_message_bytes);
  add.default_deadline = absl::InfiniteDuration();
  Add("AddPhotos", add, v1::AddPhotoRequest::descriptor(), /*is_stream=*/true,
      [this](const RpcMethod* method, CallGate*, grpc::CallbackServerContext* context) {
        return NewAddPhotosCall(method, context, service_);
      });
  CallCost get = Cost(limits.max_photo_id_bytes);
  get.default_deadline = kPhotoDeadline;
  Add("GetPhoto", get, v1::GetPhotoRequest::descriptor(), /*is_stream=*/true,
      [this](const RpcMethod* method, CallGate*, grpc::CallbackServerContext* context) {
        return NewGetPhotoCall(method, context, service_);
      });
  AddStored("DeletePhotos", Cost(MostIdBytes(limits), DeleteFields(limits)), service_.change_pool,
            &DeleteFrom);
  AddStored("UpdatePhotoMetadata",
            Cost(MostMetadataBytes(limits) + limits.max_photo_id_bytes, UpdateFields(limits)),
            service_.change_pool, &UpdateMetadata);
  using ListCall = UnaryCall<v1::ListPhotosRequest, v1::ListPhotosResponse>;
  AddUnary<v1::ListPhotosRequest, v1::ListPhotosResponse>(
      "ListPhotos", Cost(MostFilterBytes(limits), ListFields(limits)), service_.storage_pool,
      [this](ListCall& call) {
        return List(
            service_, call.request(), [&call] { return call.CheckWanted(); }, *call.response());
      });
  AddStored("GetGalleryStats", Cost(0), service_.storage_pool, &GetStats);
}

template <typename Request, typename Response>
void GalleryServiceImpl::AddStored(const std::string& method, CallCost cost, WorkerPool* pool,
                                   absl::Status (*work)(const ServiceContext&, const Request&,
                                                        Response&)) {
  AddUnary<Request, Response>(method, std::move(cost), pool,
                              [this, work](const Request& request, Response& response) {
                                return work(service_, request, response);
                              });
}

}  // namespace s2p
