#include "rpc/pool_call.h"

#include <utility>

#include "absl/time/clock.h"

namespace s2p {
namespace {

// Lives from the call's start until gRPC is done with it.
class PoolCall : public grpc::ServerUnaryReactor {
 public:
  PoolCall(CallGate* gate, grpc::CallbackServerContext* context, const char* method,
           std::function<absl::Status()> work)
      : gate_(*gate), context_(*context), work_(std::move(work)), call_{method, absl::Now()} {}

  void Start(WorkerPool& pool) {
    absl::Status status = gate_.Admit(context_);
    if (status.ok()) status = pool.Submit([this] { End(work_()); });
    if (!status.ok()) End(status);
  }
  void OnDone() override { delete this; }

 private:
  void End(const absl::Status& status) { Finish(gate_.End(call_, status, context_)); }

  CallGate& gate_;
  grpc::CallbackServerContext& context_;
  const std::function<absl::Status()> work_;
  const CallRecord call_;
};

}  // namespace

grpc::ServerUnaryReactor* StartPoolCall(CallGate* gate, WorkerPool* pool,
                                        grpc::CallbackServerContext* context, const char* method,
                                        std::function<absl::Status()> work) {
  auto* call = new PoolCall(gate, context, method, std::move(work));
  call->Start(*pool);
  return call;
}

}  // namespace s2p
