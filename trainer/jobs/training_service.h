// TrainingService of training.proto.
#ifndef S2P_TRAINER_JOBS_TRAINING_SERVICE_H_
#define S2P_TRAINER_JOBS_TRAINING_SERVICE_H_

#include "absl/time/time.h"
#include "rpc/call_gate.h"
#include "rpc/watch_streams.h"
#include "rpc/worker_pool.h"
#include "s2p/v1/training.grpc.pb.h"
#include "trainer/jobs/job_scheduler.h"
#include "trainer/jobs/job_store.h"

namespace s2p {

// All are borrowed and outlive the service; all are thread-safe.
struct TrainingServiceContext {
  CallGate* gate = nullptr;
  JobStore* store = nullptr;
  JobScheduler* scheduler = nullptr;
  WatchStreams<v1::WatchJobResponse>* watches = nullptr;
  // Does what touches the disk.
  WorkerPool* pool = nullptr;
  // The longest silence of a WatchJob stream.
  absl::Duration heartbeat = absl::Seconds(1);
};

// Thread-safe.
class TrainingServiceImpl final : public v1::TrainingService::CallbackService {
 public:
  explicit TrainingServiceImpl(const TrainingServiceContext& context) : trainer_(context) {}

  grpc::ServerUnaryReactor* SubmitJob(grpc::CallbackServerContext* context,
                                      const v1::SubmitJobRequest* request,
                                      v1::SubmitJobResponse* response) override;
  grpc::ServerUnaryReactor* GetJob(grpc::CallbackServerContext* context,
                                   const v1::GetJobRequest* request,
                                   v1::GetJobResponse* response) override;
  grpc::ServerUnaryReactor* ListJobs(grpc::CallbackServerContext* context,
                                     const v1::ListJobsRequest* request,
                                     v1::ListJobsResponse* response) override;
  grpc::ServerUnaryReactor* CancelJob(grpc::CallbackServerContext* context,
                                      const v1::CancelJobRequest* request,
                                      v1::CancelJobResponse* response) override;
  grpc::ServerUnaryReactor* RetryJob(grpc::CallbackServerContext* context,
                                     const v1::RetryJobRequest* request,
                                     v1::RetryJobResponse* response) override;
  grpc::ServerWriteReactor<v1::WatchJobResponse>* WatchJob(
      grpc::CallbackServerContext* context, const v1::WatchJobRequest* request) override;

 private:
  const TrainingServiceContext trainer_;
};

}  // namespace s2p

#endif  // S2P_TRAINER_JOBS_TRAINING_SERVICE_H_
