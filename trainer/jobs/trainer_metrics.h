// The trainer's metrics, as numbers that the rest of the daemon sets. Names:
// docs/trainer_daemon.md.
#ifndef S2P_TRAINER_JOBS_TRAINER_METRICS_H_
#define S2P_TRAINER_JOBS_TRAINER_METRICS_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "absl/time/time.h"
#include "s2p/v1/training.pb.h"

namespace s2p {

// With several jobs at a time, epoch, losses and accuracy are those of the job that spoke last.
// Thread-safe.
class TrainerMetrics {
 public:
  // `version` is the program's, for s2p_build_info.
  explicit TrainerMetrics(const std::string& version);
  ~TrainerMetrics();

  // How many jobs there are of each state; 0 for those that are not in it.
  void SetJobs(const std::map<v1::Job::State, int64_t>& counts);
  // Epoch, each loss term, and rank-1 and mAP where they are set.
  void SetProgress(const v1::TrainingProgress& progress);
  // Time of an update of the networks, and the images it was made with.
  void ObserveStep(absl::Duration took);
  void CountImages(uint32_t images);
  // A job that has ended well: "published", or "kept_back" where its spec or a better version said
  // so; "failed" for one that failed.
  void CountPublished(const std::string& result);

  // Asks the file system that `path` is on for the room it has.
  void MeasureDisk(const std::string& path);

  // All of them in Prometheus's text format.
  std::string Text() const;

 private:
  struct Families;
  const std::unique_ptr<Families> families_;
};

}  // namespace s2p

#endif  // S2P_TRAINER_JOBS_TRAINER_METRICS_H_
