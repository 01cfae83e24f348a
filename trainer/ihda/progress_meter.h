// How far a run is, how fast it is, and its mean losses.
#ifndef S2P_TRAINER_IHDA_PROGRESS_METER_H_
#define S2P_TRAINER_IHDA_PROGRESS_METER_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/steady_time.h"
#include "s2p/v1/training.pb.h"
#include "trainer/optimization/loss_sum.h"
#include "trainer/optimization/training_place.h"

namespace s2p {

// Speed and remaining time are measured from its construction: a resumed run starts afresh. One
// thread only.
class ProgressMeter {
 public:
  ProgressMeter();

  // Adds a batch that was trained on: its number of images and its terms.
  void Count(int64_t images, const std::vector<std::pair<std::string, double>>& losses);

  // The progress after the batch at `place`; `losses` are the means since the last call.
  v1::TrainingProgress At(const TrainingPlace& place);
  // Replaces the losses of `progress` by the means of the epoch that has ended.
  void EndEpoch(v1::TrainingProgress& progress);

 private:
  const SteadyTime start_;
  int64_t batches_ = 0;
  int64_t images_ = 0;
  LossMeans means_, epoch_means_;
};

}  // namespace s2p

#endif  // S2P_TRAINER_IHDA_PROGRESS_METER_H_
