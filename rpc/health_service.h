// gRPC's health protocol, grpc.health.v1.
#ifndef S2P_RPC_HEALTH_SERVICE_H_
#define S2P_RPC_HEALTH_SERVICE_H_

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "rpc/rpc_service.h"

namespace s2p {

// Answers Check and Watch for each of a server's services; "" stands for the whole server. (gRPC's
// own health service knows "" alone, and says SERVING as soon as the port is open.) An unknown name
// is NOT_FOUND to Check and SERVICE_UNKNOWN to Watch. Requires no key, as probes have none, so a
// request has to come within five seconds, with at most 1 KiB, and 1,000 watches may be open; more
// are RESOURCE_EXHAUSTED. Register it with the builder; it must outlive the server. Thread-safe.
class HealthService final : public RpcService {
 public:
  // The first state of each service, by its full name, such as "s2p.v1.SearchService".
  explicit HealthService(std::map<std::string, bool> serving);
  // No watch may be open: call Stop and shut the server down before.
  ~HealthService() override;

  // `service` must be one of the names. Does nothing after Stop.
  void Set(const std::string& service, bool serving);
  // Nothing serves from now on. Each watch sends this state and ends with UNAVAILABLE. Idempotent.
  void Stop();

 private:
  class Check;
  class Watch;
  // The protocol's numbers.
  enum State { kServing = 1, kNotServing = 2, kUnknown = 3 };
  State StateOf(const std::string& service) const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  // Lets every watch send its new state.
  void AdvanceAll();

  mutable absl::Mutex mutex_;
  std::map<std::string, bool> serving_ ABSL_GUARDED_BY(mutex_);
  // They delete themselves.
  std::set<Watch*> watches_ ABSL_GUARDED_BY(mutex_);
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace s2p

#endif  // S2P_RPC_HEALTH_SERVICE_H_
