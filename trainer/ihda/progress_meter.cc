#include "trainer/ihda/progress_meter.h"

#include <algorithm>

namespace s2p {
ProgressMeter::ProgressMeter() : start_(SteadyTime::Now()) {}

void ProgressMeter::Count(int64_t images,
                          const std::vector<std::pair<std::string, double>>& losses) {
  ++batches_;
  images_ += images;
  for (const auto& [name, value] : losses) {
    means_.Add(name, value);
    epoch_means_.Add(name, value);
  }
}

v1::TrainingProgress ProgressMeter::At(const TrainingPlace& place) {
  const int epochs = place.repeats * place.epochs;
  v1::TrainingProgress progress;
  progress.set_ihda_step(static_cast<uint32_t>(place.ihda_step));
  progress.set_epoch(static_cast<uint32_t>(place.EpochNumber()));
  progress.set_epochs(static_cast<uint32_t>(epochs));
  progress.set_step(static_cast<uint32_t>(place.batch + 1));
  progress.set_steps(static_cast<uint32_t>(place.batches));
  means_.TakeInto(progress);
  const double seconds = std::max(1e-6, absl::ToDoubleSeconds(SteadyTime::Now() - start_));
  progress.set_images_per_second(static_cast<double>(images_) / seconds);
  const int64_t left =
      static_cast<int64_t>(epochs - place.EpochNumber() + 1) * place.batches - place.batch - 1;
  const auto done = static_cast<double>(std::max<int64_t>(1, batches_));
  progress.mutable_eta()->set_seconds(
      static_cast<int64_t>(static_cast<double>(left) * seconds / done));
  return progress;
}

void ProgressMeter::EndEpoch(v1::TrainingProgress& progress) { epoch_means_.TakeInto(progress); }

}  // namespace s2p
