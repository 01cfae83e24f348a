// How far a run is, how fast it goes, and what its losses have been.
#ifndef S2P_TRAINER_IHDA_PROGRESS_METER_H_
#define S2P_TRAINER_IHDA_PROGRESS_METER_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "s2p/v1/training.pb.h"
#include "trainer/ihda/loss_sum.h"

namespace s2p {

// Where a batch is in its step; numbers from 0.
struct BatchPosition {
  int ihda_step = 1;
  int epoch = 0;
  int epochs = 0;
  int batch = 0;
  int batches = 0;
};

// Rate and remaining time are of what this process has done since it was made. One thread only.
class ProgressMeter {
 public:
  ProgressMeter();

  // A batch was trained on: how many images it had, and its terms.
  void Count(int64_t images, const std::vector<std::pair<std::string, double>>& losses);

  // After the batch at `position`; `losses` are the means since the last call.
  v1::TrainingProgress At(const BatchPosition& position);
  // Puts the means since the last call of this, which is the epoch's, into `progress`.
  void EndEpoch(v1::TrainingProgress& progress);

 private:
  const absl::Time begin_;
  int64_t batches_ = 0;
  int64_t images_ = 0;
  LossMeans means_, epoch_means_;
};

}  // namespace s2p

#endif  // S2P_TRAINER_IHDA_PROGRESS_METER_H_
