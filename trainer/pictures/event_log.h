// The log of a run for TensorBoard.
#ifndef S2P_TRAINER_PICTURES_EVENT_LOG_H_
#define S2P_TRAINER_PICTURES_EVENT_LOG_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "s2p/v1/checkpoint.pb.h"
#include "s2p/v1/training.pb.h"

namespace s2p {

inline constexpr char kEventFileName[] = "events.out.tfevents.s2p";

// Appends to kEventFileName in the run's folder: TFRecords (tfrecord.h), each a
// s2p.tensorboard.Event. Steps are epochs of the run, counted from 1 through both IHDA steps and
// all repeats. Scalars: `loss/TERM`, `learning_rate`, `eval/DIRECTION/METRIC` of the validation
// identities where an epoch was evaluated, `result/SPLIT/DIRECTION/METRIC` of the model that is
// kept, at the last epoch; and the text `spec`. A run that resumes from an earlier epoch first cuts
// off what it is going to write again, and what a crash or a full disk has left of a record, so
// each step is there once: a record of less than a kilobyte for each epoch of the spec. What cannot
// be written is left out: training matters more. One thread only.
class EventLog {
 public:
  // `epochs_of_step1`: of the run, 0 if it has no step 1. `spec` is shown as it is.
  EventLog(const std::string& folder, int64_t epochs_of_step1, std::string spec)
      : path_(folder + "/" + kEventFileName),
        epochs_of_step1_(epochs_of_step1),
        spec_(std::move(spec)) {}

  void WriteEpoch(const v1::TrainingProgress& progress,
                  const std::vector<v1::Evaluation>& evaluations);
  // After the last epoch; replaces results that are there.
  void WriteResults(const std::vector<v1::Evaluation>& evaluations);

 private:
  // Cuts the file off before the first record of `step` or later, or of results; begins it if
  // nothing is left.
  bool Recover(int64_t step);
  void Append(const std::string& records);

  const std::string path_;
  const int64_t epochs_of_step1_;
  const std::string spec_;
  // False until the file is known to end with a whole record of an earlier epoch.
  bool recovered_ = false;
  // Step of the last epoch in the file.
  int64_t last_step_ = 0;
};

}  // namespace s2p

#endif  // S2P_TRAINER_PICTURES_EVENT_LOG_H_
