// Calls whose work a thread pool does.
#ifndef S2P_RPC_POOL_CALL_H_
#define S2P_RPC_POOL_CALL_H_

#include <grpcpp/support/server_callback.h>

#include <functional>

#include "absl/status/status.h"
#include "rpc/call_gate.h"
#include "rpc/worker_pool.h"

namespace s2p {

// Admits the call, runs `work` on the pool, and finishes with its status; ResourceExhausted or
// Unavailable, as WorkerPool::Submit, if the pool does not take it. Returns the call's reactor,
// which deletes itself. What `work` refers to must live until the call ends, as request and
// response do.
grpc::ServerUnaryReactor* StartPoolCall(CallGate* gate, WorkerPool* pool,
                                        grpc::CallbackServerContext* context, const char* method,
                                        std::function<absl::Status()> work);

}  // namespace s2p

#endif  // S2P_RPC_POOL_CALL_H_
