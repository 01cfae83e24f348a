// The WatchJob streams of a trainer.
#ifndef S2P_TRAINER_JOBS_WATCH_JOB_CALLS_H_
#define S2P_TRAINER_JOBS_WATCH_JOB_CALLS_H_

#include <grpcpp/support/server_callback.h>

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "trainer/jobs/job_store.h"

namespace s2p {

struct WatchJobOptions {
  // The longest silence while a job has not ended.
  absl::Duration heartbeat = absl::Seconds(1);
  // Streams at one time; each holds an open file. More are answered RESOURCE_EXHAUSTED.
  size_t max_watchers = 1000;
};

// One thread reads the events of all watched jobs and hands each stream its next message when the
// client has taken the last one, so that a slow client costs no memory and no other client's time.
// Thread-safe.
class WatchJobCalls {
 public:
  // `store` is borrowed; `is_under_way` as JobWatch::Create has it.
  WatchJobCalls(const WatchJobOptions& options, JobStore* store,
                std::function<bool(const std::string&)> is_under_way);
  // As Stop without grace. Only after the gRPC server has ended: its calls refer to this.
  ~WatchJobCalls();

  // Begins a call that has been admitted; the reactor deletes itself.
  grpc::ServerWriteReactor<v1::WatchJobResponse>* Begin(grpc::CallbackServerContext* context,
                                                        const v1::WatchJobRequest& request);
  // Something has happened to some job.
  void Wake();
  // Ends all streams with UNAVAILABLE, and refuses new ones; cancels the streams of clients that do
  // not take what was sent them within `grace`. Idempotent.
  void Stop(absl::Duration grace);

 private:
  class Call;

  void Work();
  // Waits until there is something to do; the calls that wait for a message.
  std::set<Call*> WaitForIdle(bool* stopping);
  // Hands on the next message, or ends the call: it is gone then.
  void Advance(Call* call, absl::Time now, bool stopping);
  void End(Call* call, const absl::Status& status);

  const WatchJobOptions options_;
  JobStore* const store_;
  const std::function<bool(const std::string&)> is_under_way_;
  absl::Mutex mutex_;
  std::set<Call*> calls_ ABSL_GUARDED_BY(mutex_);
  bool changed_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  // This object's thread only.
  absl::Time next_heartbeat_ = absl::InfiniteFuture();
  std::thread thread_;
};

}  // namespace s2p

#endif  // S2P_TRAINER_JOBS_WATCH_JOB_CALLS_H_
