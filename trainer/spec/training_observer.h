// The reports of a training run while it lasts, and its questions.
#ifndef S2P_TRAINER_SPEC_TRAINING_OBSERVER_H_
#define S2P_TRAINER_SPEC_TRAINING_OBSERVER_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "s2p/v1/checkpoint.pb.h"
#include "s2p/v1/training.pb.h"

namespace s2p {

// Functions that are not set do nothing. They are called on the thread that trains, on_loading and
// `stop` on any but one at a time; none should take longer than a write to the disk.
struct TrainingObserver {
  // After each batch; `losses` holds the means since the last call.
  std::function<void(const v1::TrainingProgress&)> on_progress = [](const auto&) {};
  // After each epoch, once it is kept: what it measured where the spec asks for it; `losses` holds
  // the means of the epoch.
  std::function<void(const v1::TrainingProgress&, const std::vector<v1::Evaluation>&)> on_epoch =
      [](const auto&, const auto&) {};
  // A sentence for people: what the run does now, or what is odd about the data.
  std::function<void(const std::string&)> on_message = [](const auto&) {};
  // Gets a name for the things that are being read, how many are done, and how many there are.
  std::function<void(const std::string&, int64_t, int64_t)> on_loading = [](const auto&, auto,
                                                                            auto) {};
  // Asked before each batch of images that is trained on, evaluated or fitted to, and before each
  // image while they are read: true ends the run with Cancelled.
  std::function<bool()> stop = [] { return false; };
  // Before the first epoch of a run that does not resume its state, because the data or the spec
  // have changed since.
  std::function<void()> on_start_over = [] {};
};

}  // namespace s2p

#endif  // S2P_TRAINER_SPEC_TRAINING_OBSERVER_H_
