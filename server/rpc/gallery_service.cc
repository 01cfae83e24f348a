#include "server/rpc/gallery_service.h"

#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "rpc/grpc_status.h"
#include "server/rpc/add_photos_call.h"
#include "server/rpc/get_photo_call.h"
#include "server/rpc/to_proto.h"
#include "server/search/request_checks.h"

namespace s2p {
namespace {

constexpr uint32_t kDefaultPageSize = 100;

absl::Status DeleteFrom(const ServiceContext& service, const v1::DeletePhotosRequest& request,
                        v1::DeletePhotosResponse& response) {
  if (request.photo_ids().empty() ||
      request.photo_ids_size() > static_cast<int>(service.limits.max_ids)) {
    return BadField("photo_ids", absl::StrCat("must be 1 to ", service.limits.max_ids));
  }
  std::vector<std::string> photo_ids;
  for (int i = 0; i < request.photo_ids_size(); ++i) {
    S2P_RETURN_IF_ERROR(
        CheckPhotoId(request.photo_ids(i), absl::StrCat("photo_ids[", i, "]"), service.limits));
    photo_ids.push_back(request.photo_ids(i));
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
  return absl::OkStatus();
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
  return absl::OkStatus();
}

absl::Status List(const ServiceContext& service, const v1::ListPhotosRequest& request,
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
  S2P_ASSIGN_OR_RETURN(const auto items,
                       service.gallery->List(after, static_cast<int>(page_size) + 1, filter));
  const size_t shown = std::min<size_t>(items.size(), page_size);
  for (size_t i = 0; i < shown; ++i) *response.add_photos() = ToProto(*items[i]);
  if (items.size() > shown) {
    response.set_next_page_token(absl::WebSafeBase64Escape(items[shown - 1]->photo_id));
  }
  return absl::OkStatus();
}

}  // namespace

grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* GalleryServiceImpl::AddPhotos(
    grpc::CallbackServerContext* context) {
  return StartAddPhotos(service_, context);
}

grpc::ServerUnaryReactor* GalleryServiceImpl::DeletePhotos(grpc::CallbackServerContext* context,
                                                           const v1::DeletePhotosRequest* request,
                                                           v1::DeletePhotosResponse* response) {
  return service_.StartStorageCall(context, "DeletePhotos", [this, request, response] {
    return DeleteFrom(service_, *request, *response);
  });
}

grpc::ServerUnaryReactor* GalleryServiceImpl::UpdatePhotoMetadata(
    grpc::CallbackServerContext* context, const v1::UpdatePhotoMetadataRequest* request,
    v1::UpdatePhotoMetadataResponse* response) {
  return service_.StartStorageCall(context, "UpdatePhotoMetadata", [this, request, response] {
    return UpdateMetadata(service_, *request, *response);
  });
}

grpc::ServerWriteReactor<v1::GetPhotoResponse>* GalleryServiceImpl::GetPhoto(
    grpc::CallbackServerContext* context, const v1::GetPhotoRequest* request) {
  return StartGetPhoto(service_, context, *request);
}

grpc::ServerUnaryReactor* GalleryServiceImpl::ListPhotos(grpc::CallbackServerContext* context,
                                                         const v1::ListPhotosRequest* request,
                                                         v1::ListPhotosResponse* response) {
  return service_.StartStorageCall(context, "ListPhotos", [this, request, response] {
    return List(service_, *request, *response);
  });
}

grpc::ServerUnaryReactor* GalleryServiceImpl::GetGalleryStats(
    grpc::CallbackServerContext* context, const v1::GetGalleryStatsRequest*,
    v1::GetGalleryStatsResponse* response) {
  return service_.StartStorageCall(context, "GetGalleryStats", [this, response] {
    const GalleryTotals totals = service_.gallery->Totals();
    response->set_photo_count(totals.photos);
    response->set_sketch_count(totals.sketches);
    response->set_total_bytes(totals.bytes);
    if (const auto snapshot = service_.slot->Get()) {
      response->set_index_kind(snapshot->gallery->index_kind());
      response->set_index_recall(snapshot->gallery->index_recall());
      response->set_model_version(snapshot->version);
      response->set_dimension(static_cast<uint32_t>(snapshot->gallery->dimension()));
    }
    return absl::OkStatus();
  });
}

}  // namespace s2p
