// The log of a run: a line of JSON for each epoch.
#ifndef S2P_TRAINER_PICTURES_EPOCH_LOG_H_
#define S2P_TRAINER_PICTURES_EPOCH_LOG_H_

#include <cstdint>
#include <fstream>
#include <string>

#include "s2p/v1/training.pb.h"

namespace s2p {

// About 7,000 epochs.
inline constexpr int64_t kMostEpochLogBytes = int64_t{4} << 20;

// Writes metrics.jsonl in the run's folder; trainer/pictures/learning_curve.h reads it. A run that
// resumes from an earlier epoch writes that epoch's line again; the last one counts. A line that
// cannot be written is left out: training matters more. When the file grows above a limit, it is
// replaced in one rename by half of the limit or less: the first epoch of each step, each 2^k-th
// after it, and the last; those that follow are all written until the next time. One thread only.
class EpochLog {
 public:
  // `resumes`: the run continues the one that is logged there; else that log is discarded.
  EpochLog(const std::string& folder, bool resumes, int64_t most_bytes = kMostEpochLogBytes)
      : path_(folder + "/metrics.jsonl"),
        most_bytes_(most_bytes),
        file_(path_, resumes ? std::ios::app : std::ios::trunc) {}
  void Write(const v1::TrainingProgress& progress);

 private:
  // Leaves out epochs until the rest fits. Best effort.
  void Thin();

  const std::string path_;
  const int64_t most_bytes_;
  std::ofstream file_;
};

// Draws what is logged in the folder as its learning_curve.png. The picture's path; empty if there
// is nothing to draw, or no room to.
std::string DrawEpochLog(const std::string& folder, const std::string& title);

}  // namespace s2p

#endif  // S2P_TRAINER_PICTURES_EPOCH_LOG_H_
