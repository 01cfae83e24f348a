// FeedbackService of feedback.proto.
#ifndef S2P_SERVER_RPC_FEEDBACK_SERVICE_H_
#define S2P_SERVER_RPC_FEEDBACK_SERVICE_H_

#include <string>

#include "rpc/rpc_service.h"
#include "server/rpc/service_context.h"

namespace s2p {

// Every method answers FailedPrecondition where feedback is not collected. Thread-safe.
class FeedbackServiceImpl final : public RpcService {
 public:
  // `service` must outlive it.
  explicit FeedbackServiceImpl(const ServiceContext* service);

 private:
  // Adds a method whose work is done on the pool.
  template <typename Request, typename Response>
  void AddStored(const std::string& method, CallCost cost, WorkerPool* pool,
                 absl::Status (*work)(const ServiceContext&, const Request&, Response&));

  const ServiceContext& service_;
};

}  // namespace s2p

#endif  // S2P_SERVER_RPC_FEEDBACK_SERVICE_H_
