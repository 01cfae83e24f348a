#include "server/rpc/model_service.h"

#include <optional>

#include "base/status_macros.h"
#include "server/rpc/model_status_proto.h"

namespace s2p {

grpc::ServerUnaryReactor* ModelServiceImpl::GetModelStatus(grpc::CallbackServerContext* context,
                                                           const v1::GetModelStatusRequest*,
                                                           v1::GetModelStatusResponse* response) {
  return StartStorageCall(service_, context, "GetModelStatus", [this, response] {
    *response = ToProto(service_.loader->Status());
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* ModelServiceImpl::SetServingVersion(
    grpc::CallbackServerContext* context, const v1::SetServingVersionRequest* request,
    v1::SetServingVersionResponse* response) {
  return StartStorageCall(service_, context, "SetServingVersion", [this, request, response] {
    std::optional<int64_t> version;
    if (request->has_version()) version = request->version();
    S2P_RETURN_IF_ERROR(service_.loader->SetServingVersion(version));
    *response->mutable_status() = ToProto(service_.loader->Status());
    return absl::OkStatus();
  });
}

grpc::ServerWriteReactor<v1::WatchModelStatusResponse>* ModelServiceImpl::WatchModelStatus(
    grpc::CallbackServerContext* context, const v1::WatchModelStatusRequest*) {
  return watches_.Begin(context);
}

}  // namespace s2p
