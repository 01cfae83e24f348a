#include "server/rpc/service_context.h"

#include <utility>

#include "absl/time/clock.h"
#include "rpc/credentials.h"
#include "rpc/request_id.h"
#include "server/rpc/status_proto.h"

namespace s2p {

absl::Status Admit(const ServiceContext& service, const grpc::ServerContextBase& context) {
  return AuthorizeCall(service.keys, context.client_metadata());
}

grpc::Status EndCall(const ServiceContext& service, grpc::ServerContextBase& context,
                     const CallRecord& call, const absl::Status& status) {
  const absl::Time now = absl::Now();
  const auto sent = context.client_metadata().find(kRequestIdKey);
  const std::string request_id =
      RequestIdOr(sent == context.client_metadata().end()
                      ? absl::string_view()
                      : absl::string_view(sent->second.data(), sent->second.size()));
  context.AddTrailingMetadata(kRequestIdKey, request_id);
  service.metrics->CountRequest(call.method, status.code(), now - call.begin);
  service.log->Ended(call, request_id, context.peer(), status, now);
  return ToGrpcWithRetryHint(status, context);
}

namespace {

// Lives from the call's begin until gRPC is done with it.
class StorageCall : public grpc::ServerUnaryReactor {
 public:
  StorageCall(const ServiceContext& service, grpc::CallbackServerContext* context,
              const char* method, std::function<absl::Status()> work)
      : service_(service), context_(context), work_(std::move(work)), call_{method, absl::Now()} {}

  void Start() {
    absl::Status status = Admit(service_, *context_);
    if (status.ok()) status = service_.storage_pool->Submit([this] { End(work_()); });
    if (!status.ok()) End(status);
  }
  void OnDone() override { delete this; }

 private:
  void End(const absl::Status& status) { Finish(EndCall(service_, *context_, call_, status)); }

  const ServiceContext& service_;
  grpc::CallbackServerContext* const context_;
  const std::function<absl::Status()> work_;
  const CallRecord call_;
};

}  // namespace

grpc::ServerUnaryReactor* StartStorageCall(const ServiceContext& service,
                                           grpc::CallbackServerContext* context, const char* method,
                                           std::function<absl::Status()> work) {
  auto* call = new StorageCall(service, context, method, std::move(work));
  call->Start();
  return call;
}

}  // namespace s2p
