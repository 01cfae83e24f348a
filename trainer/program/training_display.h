// The progress of a training run, as a person sees it.
#ifndef S2P_TRAINER_PROGRAM_TRAINING_DISPLAY_H_
#define S2P_TRAINER_PROGRAM_TRAINING_DISPLAY_H_

#include <cstdint>
#include <functional>
#include <ostream>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "base/steady_time.h"
#include "s2p/v1/checkpoint.pb.h"
#include "s2p/v1/training.pb.h"
#include "trainer/optimization/loss_sum.h"
#include "trainer/spec/training_observer.h"

namespace s2p {

// On a terminal a line that moves (step, epoch, batch, each loss by name, images per second, time
// left), and everywhere a line for each epoch. One thread only.
class TrainingDisplay {
 public:
  // `out` is borrowed; `moving`: it is a terminal.
  TrainingDisplay(std::ostream* out, bool moving);
  ~TrainingDisplay();

  void Loading(const std::string& what, int64_t done, int64_t total);
  void Update(const v1::TrainingProgress& progress);
  void Epoch(const v1::TrainingProgress& progress);

 private:
  void Draw(const std::string& line);
  void Erase();

  std::ostream* const out_;
  const bool moving_;
  SteadyTime next_draw_;
  bool drawn_ = false;
  // Over the batches of the epoch.
  LossMeans means_;
};

// Shows what is read and each batch on `display`, which is borrowed; `stop` ends the run.
TrainingObserver ObserverOf(TrainingDisplay& display, const std::function<bool()>& stop);

// A table of evaluations, one a line.
std::string EvaluationTable(const std::vector<v1::Evaluation>& evaluations);

}  // namespace s2p

#endif  // S2P_TRAINER_PROGRAM_TRAINING_DISPLAY_H_
