#include "server/rpc/model_service.h"

#include <memory>
#include <optional>

#include "base/status_macros.h"
#include "server/rpc/to_proto.h"

namespace s2p {

// Sends the status to one watcher whenever it differs from the last one sent.
class ModelServiceImpl::StatusSource final : public WatchSource<v1::WatchModelStatusResponse> {
 public:
  explicit StatusSource(ModelServiceImpl* service) : service_(*service) {}

  absl::StatusOr<WatchStep<v1::WatchModelStatusResponse>> Next(absl::Time now) override {
    WatchStep<v1::WatchModelStatusResponse> step;
    const uint64_t revision = service_.revision_.load();
    if (revision == sent_revision_) return step;
    service_.ReadStatus(revision, now);
    sent_revision_ = revision;
    // A change inside the loader need not be visible from outside.
    if (service_.serialized_status_ == sent_) return step;
    sent_ = service_.serialized_status_;
    *step.response.emplace().mutable_status() = service_.status_;
    return step;
  }

 private:
  ModelServiceImpl& service_;
  uint64_t sent_revision_ = 0;
  std::string sent_;
};

grpc::ServerUnaryReactor* ModelServiceImpl::GetModelStatus(grpc::CallbackServerContext* context,
                                                           const v1::GetModelStatusRequest*,
                                                           v1::GetModelStatusResponse* response) {
  return service_.StartStorageCall(context, "GetModelStatus", [this, response] {
    *response = ToProto(service_.loader->Status());
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* ModelServiceImpl::SetServingVersion(
    grpc::CallbackServerContext* context, const v1::SetServingVersionRequest* request,
    v1::SetServingVersionResponse* response) {
  return service_.StartStorageCall(context, "SetServingVersion", [this, request, response] {
    std::optional<int64_t> version;
    if (request->has_version()) version = request->version();
    S2P_RETURN_IF_ERROR(service_.loader->SetServingVersion(version));
    *response->mutable_status() = ToProto(service_.loader->Status());
    return absl::OkStatus();
  });
}

grpc::ServerWriteReactor<v1::WatchModelStatusResponse>* ModelServiceImpl::WatchModelStatus(
    grpc::CallbackServerContext* context, const v1::WatchModelStatusRequest*) {
  return streams_.Start(context, std::make_unique<StatusSource>(this));
}

void ModelServiceImpl::Wake() {
  ++revision_;
  streams_.Wake();
}

void ModelServiceImpl::ReadStatus(uint64_t revision, absl::Time round) {
  if (revision == status_revision_ && round == status_round_) return;
  // Read after its revision: a change in the meantime causes another round.
  status_ = ToProto(service_.loader->Status());
  serialized_status_ = status_.SerializeAsString();
  status_revision_ = revision;
  status_round_ = round;
}

}  // namespace s2p
