// What each epoch of a run came to, a line of JSON each.
#ifndef S2P_TRAINER_EPOCH_LOG_H_
#define S2P_TRAINER_EPOCH_LOG_H_

#include <fstream>
#include <string>

#include "s2p/v1/training.pb.h"

namespace s2p {

// Appends to the file; trainer/learning_curve.h reads it. A run that goes on from an earlier epoch
// writes that epoch's line again; the last one counts. Worth less than training: what cannot be
// written is left out. One thread only.
class EpochLog {
 public:
  explicit EpochLog(const std::string& path) : file_(path, std::ios::app) {}
  void Write(const v1::TrainingProgress& progress);

 private:
  std::ofstream file_;
};

}  // namespace s2p

#endif  // S2P_TRAINER_EPOCH_LOG_H_
