// The loop of training: both steps, the repeats of step 2, epochs, batches, updates.
#ifndef S2P_TRAINER_IHDA_TRAIN_LOOP_H_
#define S2P_TRAINER_IHDA_TRAIN_LOOP_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "s2p/v1/checkpoint.pb.h"
#include "s2p/v1/training.pb.h"
#include "trainer/data/photo_triplets.h"
#include "trainer/ihda/ihda_networks.h"
#include "trainer/ihda/ihda_steps.h"
#include "trainer/ihda/progress_meter.h"
#include "trainer/ihda/recipe.h"
#include "trainer/ihda/resume_state.h"
#include "trainer/ihda/run_plan.h"
#include "trainer/ihda/training_data.h"
#include "trainer/optimization/training_place.h"
#include "trainer/optimization/weight_average.h"
#include "trainer/spec/training_observer.h"

namespace s2p {

// Seed of torch's random numbers when the networks are made.
uint64_t TorchSeed(const v1::TrainingSpec& spec);

// One thread only.
class TrainLoop {
 public:
  // As IhdaTrainerOptions::wait_for_room.
  using WaitForRoom = std::function<bool(const absl::Status&)>;

  // All arguments are borrowed and must outlive the loop. The plan's digests go into the state,
  // which is written to `state_file` after each epoch; empty: nowhere. With networks.ranks() each
  // of them runs such a loop, and one at most has a state file.
  TrainLoop(const v1::TrainingSpec& spec, const RunPlan& plan, const std::string& state_file,
            const TrainingObserver& observer, const WaitForRoom& wait_for_room,
            const TrainingData& data, IhdaNetworks& networks);

  // Continues a run of the same spec and data after its last whole epoch. Call before Run. DataLoss
  // if the networks do not fit.
  absl::Status Restore(ResumeState state);

  // Trains from where the run stands to its end. May throw what LibTorch throws; errors as
  // IhdaTrainer::Run.
  absl::Status Run();
  // After Run with validation.keep_best: the weights that would have been kept without it, those of
  // the last epoch, or the average of each repeat's last. Else unset.
  const std::optional<TensorMap>& last_epoch_weights() const { return last_epoch_weights_; }

 private:
  // The best epoch of a repeat by the mAP, sketch to photo, of the validation identities; the
  // earlier one of equals.
  struct BestEpoch {
    // Counted over all repeats; 0: none yet.
    int number = 0;
    double mean_average_precision = -1;
    TensorMap weights;
  };

  const v1::TrainingSpec::StepSpec& step_spec() const {
    return place_.ihda_step == 1 ? spec_.step1() : spec_.step2();
  }
  int Repeats(int ihda_step) const;
  bool averages() const { return Repeats(2) > 1 || spec_.averaging().start_share() > 0; }
  bool ranks_photos() const { return spec_.loss().photo_neighbours().weight() > 0; }
  // With ranks_photos(), looks at the photos with the networks as they are, which are those that
  // step 2 starts from.
  absl::Status LookAtPhotos();
  // With ranks_photos(), says if batches of an epoch of step 2 are too small for it.
  void ReportUnrankedBatches(const IhdaStep& step) const;
  absl::Status RunRepeat(const IhdaStep& step, int repeat);
  absl::Status BeginRepeat(const IhdaStep& step);
  bool keeps_best() const { return spec_.validation().keep_best(); }
  bool EndsRepeat() const { return place_.ihda_step == 2 && place_.epoch + 1 == place_.epochs; }
  // Whether any rank is to stop.
  bool StopRequested() const;
  bool IsEvaluated() const;
  // Sketch to photo and photo to sketch, as rank 0 measures them.
  absl::StatusOr<std::vector<v1::Evaluation>> Validate();
  absl::Status EvaluateEpoch(v1::TrainingProgress& progress,
                             std::vector<v1::Evaluation>& evaluations);
  void EndRepeat();
  absl::Status TakeResult();
  // Takes the mean of the repeats and of the start.
  absl::Status TakeMean(const WeightAverage& repeats);
  // Shows the networks an epoch of the step, so that their batch norms get their own statistics.
  absl::Status EstimateStatistics(const IhdaStep& step);
  absl::Status RunEpoch(const IhdaStep& step);
  // Leaves this rank's rows of each batch. FailedPrecondition if a batch has too few for all ranks.
  absl::Status TakeOwnRows(EpochPlan& plan) const;
  BatchLoader LoaderOf(EpochPlan& plan);
  std::vector<torch::Tensor> ImagesOf(std::vector<LoadedBatch>& parts) const;
  absl::Status EndEpoch(v1::TrainingProgress& progress);
  // An epoch is not trained while its state would not fit on the disk.
  absl::Status WaitUntilStateFits() const;
  absl::Status KeepState();
  // Writes again and again while the disk is full and the run may wait.
  absl::Status WriteWithRoom(const std::function<absl::Status()>& write) const;
  absl::Status Accumulate(const IhdaStep& step, const std::vector<std::vector<int>>& indices,
                          std::vector<LoadedBatch>& parts);
  absl::Status NotFinite(const absl::Status& cause) const;
  v1::TrainingProgress Progress();
  void AddLastValidation(v1::TrainingProgress& progress) const;
  ResumeState State() const;

  const v1::TrainingSpec& spec_;
  const Recipe& recipe_;
  const RunPlan& plan_;
  const std::string& state_file_;
  const TrainingObserver& observer_;
  const WaitForRoom& wait_for_room_;
  const TrainingData& data_;
  IhdaNetworks& networks_;
  TrainingPlace place_;
  // Whole epochs of the step, over all its repeats.
  int epochs_done_ = 0;
  // Size of the last state; 0 before the first, whose size is estimated.
  uint64_t state_bytes_ = 0;
  // Where each repeat starts (IhdaNetworks::Save); empty unless averages() or ranks_photos().
  std::string start_;
  // The weights that were kept of each repeat; empty unless averages().
  WeightAverage ended_;
  // The order of photos that the start of step 2 sees; unset before, and unless ranks_photos().
  std::optional<PhotoTripletSampler> triplets_;
  // Empty unless keeps_best(): of the present repeat, and the last weights of each.
  BestEpoch best_;
  WeightAverage last_ended_;
  std::optional<TensorMap> last_epoch_weights_;
  // The last validation, sketch to photo and photo to sketch; empty before the first.
  std::vector<v1::Evaluation> last_validation_;
  // Made when training starts.
  std::optional<ProgressMeter> meter_;
};

}  // namespace s2p

#endif  // S2P_TRAINER_IHDA_TRAIN_LOOP_H_
