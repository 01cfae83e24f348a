// TrainingService of training.proto.
#ifndef S2P_TRAINER_JOBS_TRAINING_SERVICE_H_
#define S2P_TRAINER_JOBS_TRAINING_SERVICE_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "rpc/call_gate.h"
#include "rpc/rpc_service.h"
#include "rpc/watch_streams.h"
#include "rpc/worker_pool.h"
#include "s2p/v1/training.pb.h"
#include "trainer/jobs/job_scheduler.h"
#include "trainer/jobs/job_store.h"

namespace s2p {

using JobWatches = WatchStreams<v1::WatchJobRequest, v1::WatchJobResponse>;

// All are borrowed and outlive the service; all are thread-safe.
struct TrainingServiceContext {
  CallGate* gate = nullptr;
  JobStore* store = nullptr;
  JobScheduler* scheduler = nullptr;
  JobWatches* watches = nullptr;
  // Does what touches the disk.
  WorkerPool* pool = nullptr;
  // The longest silence of a WatchJob stream.
  absl::Duration heartbeat = absl::Seconds(1);
};

// Thread-safe.
class TrainingServiceImpl final : public RpcService {
 public:
  explicit TrainingServiceImpl(const TrainingServiceContext& context);

 private:
  // Adds a method whose work is done on the pool.
  template <typename Request, typename Response>
  void AddPooled(const std::string& method,
                 std::function<absl::Status(const Request&, Response&)> work, CallCost cost = {});
  absl::StatusOr<std::unique_ptr<WatchSource<v1::WatchJobResponse>>> Watch(
      const v1::WatchJobRequest& request) const;

  const TrainingServiceContext trainer_;
  const JobWatches::MakeSource make_watch_;
};

}  // namespace s2p

#endif  // S2P_TRAINER_JOBS_TRAINING_SERVICE_H_
