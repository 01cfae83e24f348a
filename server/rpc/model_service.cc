#include "server/rpc/model_service.h"

#include <memory>
#include <optional>

#include "base/status_macros.h"
#include "s2p/v1/model.grpc.pb.h"
#include "server/rpc/to_proto.h"

namespace s2p {

// Sends the status to one watcher whenever it differs from the last one sent.
class ModelServiceImpl::StatusSource final : public WatchSource<v1::WatchModelStatusResponse> {
 public:
  explicit StatusSource(ModelServiceImpl* service) : service_(*service) {}

  absl::StatusOr<WatchStep<v1::WatchModelStatusResponse>> Next(SteadyTime now) override {
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

ModelServiceImpl::ModelServiceImpl(const ServiceContext* service)
    : RpcService(v1::ModelService::service_full_name(), service->gate),
      service_(*service),
      make_source_([this](const v1::WatchModelStatusRequest&) {
        return std::make_unique<StatusSource>(this);
      }),
      streams_(WatchStreamsOptions()) {
  AddUnary<v1::GetModelStatusRequest, v1::GetModelStatusResponse>(
      "GetModelStatus", CallCost(), service_.storage_pool, [this](const auto&, auto& response) {
        response = Status();
        return absl::OkStatus();
      });
  AddUnary<v1::SetServingVersionRequest, v1::SetServingVersionResponse>(
      "SetServingVersion", CallCost(), service_.storage_pool,
      [this](const auto& request, auto& response) {
        std::optional<int64_t> version;
        if (request.has_version()) version = request.version();
        S2P_RETURN_IF_ERROR(service_.loader->SetServingVersion(version));
        *response.mutable_status() = Status();
        return absl::OkStatus();
      });
  CallCost watch;
  watch.default_deadline = absl::InfiniteDuration();
  Add("WatchModelStatus", watch, v1::WatchModelStatusRequest::descriptor(), /*is_stream=*/true,
      [this](const RpcMethod* method, CallGate* gate, grpc::CallbackServerContext* context) {
        return streams_.NewCall(method, gate, context, &make_source_);
      });
}

v1::GetModelStatusResponse ModelServiceImpl::Status() const {
  const HiddenFolders& hidden = service_.gate->hidden();
  v1::GetModelStatusResponse status = ToProto(service_.loader->Status(), hidden);
  for (const Fault& fault : service_.faults->Current()) {
    *status.add_faults() = ToProto(fault, hidden);
  }
  return status;
}

void ModelServiceImpl::Wake() {
  ++revision_;
  streams_.Wake();
}

void ModelServiceImpl::ReadStatus(uint64_t revision, SteadyTime round) {
  if (revision == status_revision_ && round == status_round_) return;
  // Read after its revision: a change in the meantime causes another round.
  status_ = Status();
  serialized_status_ = status_.SerializeAsString();
  status_revision_ = revision;
  status_round_ = round;
}

}  // namespace s2p
