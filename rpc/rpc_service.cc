#include "rpc/rpc_service.h"

#include <grpcpp/impl/codegen/server_callback_handlers.h>
#include <grpcpp/impl/rpc_service_method.h>

#include "absl/strings/str_cat.h"

namespace s2p {

RpcService::RpcService(std::string name, CallGate* gate) : name_(std::move(name)), gate_(gate) {}

RpcService::~RpcService() = default;

void RpcService::Add(const std::string& method, CallCost cost,
                     const google::protobuf::Descriptor* request, bool is_stream, MakeCall make) {
  using grpc::internal::RpcMethod;
  using grpc::internal::RpcServiceMethod;
  s2p::RpcMethod& added = methods_.emplace_back();
  added.name = method;
  if (request != nullptr) {
    added.limits = std::make_unique<const MessageLimits>(request, cost.fields);
  }
  added.cost = std::move(cost);
  added.is_stream = is_stream;
  paths_.push_back(absl::StrCat("/", name_, "/", method));
  // Only of a stream from the client does gRPC not receive the first message unasked.
  AddMethod(new RpcServiceMethod(paths_.back().c_str(), RpcMethod::BIDI_STREAMING, nullptr));
  const auto start = [this, &added, make = std::move(make)](grpc::CallbackServerContext* context) {
    RpcCall* call = make(&added, gate_, context);
    call->Start();
    return call;
  };
  MarkMethodRawCallback(
      static_cast<int>(paths_.size()) - 1,
      new grpc::internal::CallbackBidiHandler<grpc::ByteBuffer, grpc::ByteBuffer>(start));
}

}  // namespace s2p
