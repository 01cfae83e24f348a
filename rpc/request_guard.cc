#include "rpc/request_guard.h"

#include <google/protobuf/descriptor.h>
#include <grpcpp/support/server_interceptor.h>

#include <map>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"

namespace s2p {
namespace {

using grpc::experimental::InterceptionHookPoints;
using grpc::experimental::InterceptorBatchMethods;
using grpc::experimental::ServerRpcInfo;

// One call of a method of ours.
class RequestGuard final : public grpc::experimental::Interceptor {
 public:
  // `request_type` must outlive it.
  explicit RequestGuard(const std::string* request_type) : request_type_(*request_type) {}

  void Intercept(InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::PRE_SEND_STATUS)) {
      const grpc::Status status = methods->GetSendStatus();
      // No method of ours ends like this.
      if (status.error_code() == grpc::StatusCode::UNIMPLEMENTED &&
          status.error_message().empty()) {
        methods->ModifySendStatus({grpc::StatusCode::INVALID_ARGUMENT,
                                   absl::StrCat("the request cannot be read as ", request_type_,
                                                ": it is missing, it is damaged, or a text in it "
                                                "is not UTF-8")});
      }
    }
    methods->Proceed();
  }

 private:
  const std::string& request_type_;
};

class GuardFactory final : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  explicit GuardFactory(const std::vector<std::string>& services) {
    const auto* pool = google::protobuf::DescriptorPool::generated_pool();
    for (const std::string& name : services) {
      const auto* service = pool->FindServiceByName(name);
      for (int i = 0; service != nullptr && i < service->method_count(); ++i) {
        const auto* method = service->method(i);
        request_types_[absl::StrCat("/", name, "/", method->name())] =
            method->input_type()->full_name();
      }
    }
  }
  grpc::experimental::Interceptor* CreateServerInterceptor(ServerRpcInfo* info) override {
    const auto found = request_types_.find(info->method());
    // Null: no interceptor.
    return found == request_types_.end() ? nullptr : new RequestGuard(&found->second);
  }

 private:
  // By the method's path.
  std::map<std::string, std::string> request_types_;
};

}  // namespace

void AnswerUnreadableRequests(const std::vector<std::string>& services,
                              grpc::ServerBuilder* builder) {
  std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> creators;
  creators.push_back(std::make_unique<GuardFactory>(services));
  builder->experimental().SetInterceptorCreators(std::move(creators));
}

}  // namespace s2p
