#include "server/service_context.h"

#include <utility>

#include "absl/time/clock.h"
#include "daemon/credentials.h"
#include "server/grpc_status.h"

namespace s2p {

absl::Status Admit(const ServiceContext& service, const grpc::ServerContextBase& context) {
  return AuthorizeCall(service.keys, context.client_metadata());
}

grpc::Status EndCall(const ServiceContext& service, grpc::ServerContextBase& context,
                     const std::string& method, absl::Time begin, const absl::Status& status) {
  service.metrics->CountRequest(method, CodeName(status.code()), absl::Now() - begin);
  return ToGrpcWithRetryHint(status, context);
}

namespace {

// Lives from the call's begin until gRPC is done with it.
class StorageCall : public grpc::ServerUnaryReactor {
 public:
  StorageCall(const ServiceContext& service, grpc::CallbackServerContext* context,
              std::string method, std::function<absl::Status()> work)
      : service_(service),
        context_(context),
        method_(std::move(method)),
        work_(std::move(work)),
        begin_(absl::Now()) {}

  void Start() {
    absl::Status status = Admit(service_, *context_);
    if (status.ok()) status = service_.storage_pool->Submit([this] { End(work_()); });
    if (!status.ok()) End(status);
  }
  void OnDone() override { delete this; }

 private:
  void End(const absl::Status& status) {
    Finish(EndCall(service_, *context_, method_, begin_, status));
  }

  const ServiceContext& service_;
  grpc::CallbackServerContext* const context_;
  const std::string method_;
  const std::function<absl::Status()> work_;
  const absl::Time begin_;
};

}  // namespace

grpc::ServerUnaryReactor* StartStorageCall(const ServiceContext& service,
                                           grpc::CallbackServerContext* context,
                                           const std::string& method,
                                           std::function<absl::Status()> work) {
  auto* call = new StorageCall(service, context, method, std::move(work));
  call->Start();
  return call;
}

}  // namespace s2p
