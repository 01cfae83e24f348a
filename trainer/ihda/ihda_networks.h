// Everything that learns: the dual encoder that will be served, and the classifiers and optimizers
// that only training needs.
#ifndef S2P_TRAINER_IHDA_IHDA_NETWORKS_H_
#define S2P_TRAINER_IHDA_IHDA_NETWORKS_H_

#include <torch/nn/modules/container/sequential.h>
#include <torch/optim/optimizer.h>
#include <torch/serialize/archive.h>
#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/dual_encoder.h"
#include "s2p/v1/checkpoint.pb.h"
#include "s2p/v1/training.pb.h"
#include "trainer/ihda/recipe.h"
#include "trainer/parallel/ranks.h"

namespace s2p {

// Each of IHDA's two steps has its own identity classifier and optimizer; encoders, attribute head
// and domain classifier carry over from step 1 to step 2. One thread only.
class IhdaNetworks {
 public:
  // Freshly initialised from torch's global random numbers. InvalidArgument as DualEncoder::Create.
  // `ranks` hold the rows of each batch together; borrowed, null: this process has them all.
  static absl::StatusOr<std::unique_ptr<IhdaNetworks>> Create(
      const v1::TrainingSpec& spec, const v1::CheckpointManifest& manifest, torch::Device device,
      Ranks* ranks = nullptr);

  DualEncoder& encoder() { return *encoder_; }
  // [n, d] -> [n, 3] logits of domains, and [n, identities]; the second is empty before BeginStep.
  const torch::nn::Sequential& domain_classifier() const { return domain_classifier_; }
  const torch::nn::Sequential& identity_classifier() const { return identity_classifier_; }
  torch::Device device() const { return device_; }
  Ranks* ranks() const { return ranks_; }

  // Makes the classifier over `identities` and the optimizer of step 1 or 2.
  void BeginStep(int ihda_step, int identities);

  // Training mode, but for what the spec freezes.
  void SetTraining();

  // DualEncoder::ForwardParts at the spec's precision. What comes out is float32 all the same, so
  // that heads and losses are. With ranks(), `parts` are this rank's rows, `rows` says how many
  // each part has on all of them, and what comes out are all rows (Ranks::GatherRows): heads and
  // losses of every rank see the whole batch.
  std::vector<DualEncoderOutput> Forward(const std::vector<torch::Tensor>& parts,
                                         const std::vector<v1::Modality>& modalities,
                                         const std::vector<int64_t>& rows = {});
  // [n, d] -> [n, identities] logits behind the neck.
  torch::Tensor IdentityLogits(const torch::Tensor& embedding);
  // [n, d] -> [n, 3] logits; the gradient is reversed with `coefficient` on its way back.
  torch::Tensor DomainLogits(const torch::Tensor& embedding, double coefficient);

  // Adds the gradients that `backward` leaves to those that there are; with ranks(), the gradients
  // of the whole batch, the same bits on each. Returns what `backward` returns.
  absl::Status AddGradients(const std::function<absl::Status()>& backward);
  // Takes weights and statistics of rank 0, from which processors that round differently depart.
  // Does nothing without ranks().
  void TakeWeightsOfFirst();

  // One update with the gradients that AddGradients has left, at this rate for the heads; then
  // there are none.
  void Update(double learning_rate);
  // Adds the gradients that `backward` leaves with the networks as such an update would make them
  // (AddMetaGradient). Afterwards the networks are as they were, their batch norms' statistics,
  // too. Returns what `backward` returns.
  absl::Status AddMetaGradients(double learning_rate,
                                const std::function<absl::Status()>& backward);

  // All networks and the optimizer's moments as one block of bytes, and back: into networks made by
  // the same spec that are in the same step. Heads take the form (HeadForm) that they were saved
  // in, since older programs trained the paper's with batch norm. DataLoss if the bytes are damaged
  // or do not fit.
  std::string Save() const;
  absl::Status Load(const std::string& bytes);
  // About the size of what Save returns after the first update, which makes the moments. Requires
  // BeginStep.
  uint64_t SavedBytes() const;

 private:
  IhdaNetworks(const v1::TrainingSpec& spec, std::shared_ptr<DualEncoder> encoder,
               torch::Device device, Ranks* ranks);
  const v1::TrainingSpec::StepSpec& step_spec() const;
  std::vector<torch::Tensor> HeadParameters() const;
  std::set<const void*> BackboneParameters() const;
  std::vector<torch::Tensor> LearningParameters() const;
  // Replaces the gradients of this rank by those of the whole batch.
  void SumGradients();
  // Does what Update does, but keeps the gradients.
  void MoveParameters(double learning_rate);
  void TakeHeadForms(torch::serialize::InputArchive& archive);

  const v1::TrainingSpec spec_;
  const Recipe& recipe_;
  const torch::Device device_;
  Ranks* const ranks_;
  const std::shared_ptr<DualEncoder> encoder_;
  torch::nn::Sequential domain_classifier_{nullptr};
  torch::nn::Sequential identity_classifier_{nullptr};
  int ihda_step_ = 0;
  int identities_ = 0;
  std::unique_ptr<torch::optim::Optimizer> optimizer_;
};

}  // namespace s2p

#endif  // S2P_TRAINER_IHDA_IHDA_NETWORKS_H_
