// The trainer's metrics. Names: docs/trainer_daemon.md.
#ifndef S2P_TRAINER_JOBS_TRAINER_METRICS_H_
#define S2P_TRAINER_JOBS_TRAINER_METRICS_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "absl/time/time.h"
#include "rpc/rpc_metrics.h"
#include "s2p/v1/training.pb.h"

namespace s2p {

// With several jobs at a time, epoch, losses and accuracy are those of the job that reported last.
// Thread-safe.
class TrainerMetrics final : public RpcMetrics {
 public:
  // `version` is the program's, for s2p_build_info.
  explicit TrainerMetrics(const std::string& version);
  ~TrainerMetrics();

  // Sets the number of jobs of each state; 0 for a state that is missing.
  void SetJobs(const std::map<v1::Job::State, int64_t>& counts);
  // Epoch, each loss term, and rank-1 and mAP where they are set.
  void SetProgress(const v1::TrainingProgress& progress);
  // The time of one update of the networks.
  void ObserveUpdate(absl::Duration took);
  // The images that it used.
  void CountImages(uint32_t images);
  // A job that has ended: "published"; "kept_back" if the published version is as good or there was
  // nothing to compare on; "not_asked" if its spec never publishes; "not_trained" if it waits for
  // data; or "failed".
  void CountEndedJob(const std::string& result);

 private:
  struct Families;
  const std::unique_ptr<Families> families_;
};

}  // namespace s2p

#endif  // S2P_TRAINER_JOBS_TRAINER_METRICS_H_
