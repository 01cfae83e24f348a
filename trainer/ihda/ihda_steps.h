// The two steps of IHDA: which images make a batch, and which losses it has (Yang et al., IEEE TMM
// 2020, section III and eq. 9).
#ifndef S2P_TRAINER_IHDA_IHDA_STEPS_H_
#define S2P_TRAINER_IHDA_IHDA_STEPS_H_

#include <torch/types.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "s2p/v1/training.pb.h"
#include "trainer/data/batch_loader.h"
#include "trainer/data/photo_triplets.h"
#include "trainer/ihda/ihda_losses.h"
#include "trainer/ihda/ihda_networks.h"
#include "trainer/ihda/training_data.h"
#include "trainer/optimization/loss_sum.h"
#include "trainer/optimization/training_place.h"

namespace s2p {

// The batches of one epoch, and the labels that go with them.
struct EpochPlan {
  // As BatchLoader takes them.
  std::vector<BatchLoader::Parts> batches;
  // [batch][part][image]: the images' numbers in their LabelledImages.
  std::vector<std::vector<std::vector<int>>> indices;
};

// One of the two steps. Immutable: an epoch is a function of the seed and its number.
class IhdaStep {
 public:
  virtual ~IhdaStep() = default;
  // 1 or 2.
  virtual int number() const = 0;
  virtual int identities() const = 0;
  virtual EpochPlan Plan(int epoch) const = 0;
  // The losses of the batch at `place`; `parts` are its images on the networks' device, or this
  // rank's of them (IhdaNetworks::ranks), `indices` its entry of the plan.
  virtual LossSum Losses(const std::vector<torch::Tensor>& parts,
                         const std::vector<std::vector<int>>& indices, const TrainingPlace& place,
                         IhdaNetworks& networks) const = 0;
  // The meta objective of that batch (AddMetaGradient), likewise; it may be empty.
  // has_meta_losses() says whether it always is.
  virtual bool has_meta_losses() const { return false; }
  virtual LossSum MetaLosses(const std::vector<torch::Tensor>& parts,
                             const std::vector<std::vector<int>>& indices,
                             const TrainingPlace& place, IhdaNetworks& networks) const;
};

// The networks as the loss terms see them. They are borrowed and must outlive it.
LossHeads HeadsOf(IhdaNetworks& networks);

// The most that a batch of step 2 has.
struct Step2Sizes {
  int pairs = 0;
  int source_images = 0;
};
// `has_source`: whether there are source photos.
Step2Sizes SizesOfStep2(const v1::TrainingSpec& spec, bool has_source);

// Step 1 (source photos). `data` is borrowed and outlives it. InvalidArgument as the samplers'
// Create.
absl::StatusOr<std::unique_ptr<IhdaStep>> MakeStep1(const v1::TrainingSpec& spec,
                                                    const TrainingData& data);

// Step 2 (pairs of the target, and source photos where there are any and a loss term is on that
// looks at them). `triplets` has the rows of data.photos, and is borrowed likewise; null where
// photos are not ranked. Else likewise.
absl::StatusOr<std::unique_ptr<IhdaStep>> MakeStep2(const v1::TrainingSpec& spec,
                                                    const TrainingData& data,
                                                    const PhotoTripletSampler* triplets = nullptr);

}  // namespace s2p

#endif  // S2P_TRAINER_IHDA_IHDA_STEPS_H_
