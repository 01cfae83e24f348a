// The methods of a gRPC service.
#ifndef S2P_RPC_RPC_SERVICE_H_
#define S2P_RPC_RPC_SERVICE_H_

#include <grpcpp/impl/service_type.h>

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "rpc/call_gate.h"
#include "rpc/rpc_call.h"
#include "rpc/worker_pool.h"

namespace s2p {

// A service whose calls are all RpcCalls. The generated base classes are not used, because they
// parse a message before anybody sees the call; names and descriptors are the generated ones, so
// reflection shows the service. Derived classes add every method in their constructor. Register it
// with the builder; it must outlive the server. Thread-safe.
class RpcService : public grpc::Service {
 public:
  RpcService(const RpcService&) = delete;
  RpcService& operator=(const RpcService&) = delete;

 protected:
  // Makes the call of a method, which is then started.
  using MakeCall = std::function<RpcCall*(const RpcMethod* method, CallGate* gate,
                                          grpc::CallbackServerContext* context)>;

  // `name` is the full one: "s2p.v1.SearchService". `gate` is borrowed; null as in RpcCall.
  RpcService(std::string name, CallGate* gate);
  ~RpcService() override;

  // Adds a method of any kind. Null `request`: its calls do not parse messages.
  void Add(const std::string& method, CallCost cost, const google::protobuf::Descriptor* request,
           bool is_stream, MakeCall make);

  // Adds a method with one request and one response, which `handle` sees to.
  template <typename Request, typename Response>
  void AddUnary(const std::string& method, CallCost cost,
                typename UnaryCall<Request, Response>::Handler handle) {
    using Handler = typename UnaryCall<Request, Response>::Handler;
    Add(method, std::move(cost), Request::descriptor(), /*is_stream=*/false,
        [handler = std::make_shared<const Handler>(std::move(handle))](
            const RpcMethod* called, CallGate* gate, grpc::CallbackServerContext* context) {
          return new UnaryCall<Request, Response>(called, gate, context, handler.get());
        });
  }

  // The same, where a thread of the pool does the work and answers with its status: unless nobody
  // waits for the answer any more. ResourceExhausted or Unavailable, as WorkerPool::Submit, if the
  // pool does not take it. The work gets the call, so that long work can ask it CheckWanted.
  template <typename Request, typename Response>
  void AddUnary(const std::string& method, CallCost cost, WorkerPool* pool,
                std::function<absl::Status(UnaryCall<Request, Response>&)> work) {
    AddUnary<Request, Response>(method, std::move(cost),
                                [pool, work = std::move(work)](UnaryCall<Request, Response>* call) {
                                  const absl::Status taken = pool->Submit(
                                      call->queue(), [call, &work](absl::Status status) {
                                        if (status.ok()) status = call->CheckWanted();
                                        if (status.ok()) status = work(*call);
                                        call->Answer(status);
                                      });
                                  if (!taken.ok()) call->Answer(taken);
                                });
  }

  // The same for work that needs the messages alone.
  template <typename Request, typename Response>
  void AddUnary(const std::string& method, CallCost cost, WorkerPool* pool,
                std::function<absl::Status(const Request&, Response&)> work) {
    AddUnary<Request, Response>(method, std::move(cost), pool,
                                [work = std::move(work)](UnaryCall<Request, Response>& call) {
                                  return work(call.request(), *call.response());
                                });
  }

 private:
  const std::string name_;
  CallGate* const gate_;
  // gRPC keeps pointers to names, calls keep pointers to methods.
  std::deque<std::string> paths_;
  std::deque<RpcMethod> methods_;
};

}  // namespace s2p

#endif  // S2P_RPC_RPC_SERVICE_H_
