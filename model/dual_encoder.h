// The networks that are trained and served together: E1 (photos), E2 (sketches), pooling,
// projection, neck and attribute head (Yang et al., IEEE TMM 2020, section III).
#ifndef S2P_MODEL_DUAL_ENCODER_H_
#define S2P_MODEL_DUAL_ENCODER_H_

#include <torch/nn/module.h>
#include <torch/types.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/backbone/backbone.h"
#include "model/checkpoint.h"
#include "model/safetensors.h"
#include "s2p/v1/checkpoint.pb.h"

namespace s2p {

// The result of one modality's forward pass; differentiable. float32, or autocast's type if the
// caller has turned it on.
struct DualEncoderOutput {
  // [n, c3]: global average of stage 3 (the release's feat_1).
  torch::Tensor stage3;
  // [n, d]: the embedding v, before neck and normalisation (the release's feat_2).
  torch::Tensor embedding;
};

// The layers of the attribute head. Both have three dense layers, two of them hidden, under the
// numbers that a checkpoint's tensors have.
enum class HeadForm {
  // Layers 0, 2 and 4 with ReLU in between: the paper's, which names the three layers and no more.
  kDense,
  // Layers 0, 4 and 8; each hidden one has batch norm (1, 5), LeakyReLU(0.1) and dropout of a half:
  // the release's.
  kBatchNorm,
};

// E1 and E2 are one network when the backbone is shared. Children are registered under the names
// that a checkpoint uses: photo_encoder, sketch_encoder (or encoder), projection, neck,
// attribute_head. Thread-compatible.
class DualEncoder : public torch::nn::Module {
 public:
  // Reads backbone, embedding, attributes and attribute_hidden of the manifest; the dimension must
  // be right. The weights are freshly initialised. The form of the head is not in the manifest but
  // follows from the weights: SetWeights changes it to theirs. InvalidArgument naming the field.
  static absl::StatusOr<std::shared_ptr<DualEncoder>> Create(
      const v1::CheckpointManifest& manifest, HeadForm head_form = HeadForm::kBatchNorm);
  ~DualEncoder() override;

  // [n, 3, H, W] float32, normalised.
  DualEncoderOutput Forward(const torch::Tensor& images, v1::Modality modality);
  // Runs several parts of one batch, each with its own modality. A shared backbone whose inputs
  // have the same size sees them in one pass, so that batch norm trains on the statistics that it
  // will use later: those of all parts together. Otherwise each part has its own pass.
  std::vector<DualEncoderOutput> ForwardParts(const std::vector<torch::Tensor>& parts,
                                              const std::vector<v1::Modality>& modalities);
  // [n, 3, H, W] -> [n, pooled]: the input of the projection, if there is one.
  torch::Tensor Pooled(const torch::Tensor& images, v1::Modality modality);
  // [n, d]: the embedding of a backbone's maps. `before_last` is read only if has_fine_grid().
  torch::Tensor EmbeddingOf(const FeatureMaps& maps, v1::Modality modality);
  // [n, d] -> [n, d]: the batch-norm neck; returns its argument if there is no neck.
  torch::Tensor Neck(const torch::Tensor& embedding);
  // [n, d] -> [n, a] logits. Requires has_attributes().
  torch::Tensor AttributeLogits(const torch::Tensor& embedding);
  // [n, d] embedding -> [n, d] retrieval feature: neck if the manifest says so, then L2 norm 1.
  torch::Tensor RetrievalFeature(const torch::Tensor& embedding);

  bool has_attributes() const;
  // Number of attributes; 0 without a head.
  int attribute_count() const;
  HeadForm head_form() const;
  // Makes a fresh attribute head of this form, on the device of the old one, if it has another.
  // Tensors that a caller holds of the old head are no longer the network's.
  void SetHeadForm(HeadForm form);
  // True if the embedding also uses FeatureMaps::before_last.
  bool has_fine_grid() const;
  int dimension() const;
  Backbone& photo_backbone();
  // Returns the same object as photo_backbone() if the backbone is shared.
  Backbone& sketch_backbone();
  // Frees the backbones, for callers that hold them in another form. Only the later layers, from
  // EmbeddingOf on, can still be used.
  void ReleaseBackbones();
  // Copies E1's weights and statistics to E2 at the start of step 2. Does nothing if the backbone
  // is shared.
  void CopyPhotoEncoderToSketchEncoder();

  // Weights by their checkpoint names, on the CPU.
  TensorMap Weights() const;
  // Replaces all weights, and the attribute head where theirs is of the other form. DataLoss naming
  // the first tensor that is missing, surplus, or of another shape or type, which changes nothing.
  absl::Status SetWeights(const TensorMap& weights);

 private:
  struct Networks;
  explicit DualEncoder(std::unique_ptr<Networks> networks);
  Backbone& BackboneOf(v1::Modality modality);
  absl::Status CopyWeights(const TensorMap& weights);
  torch::Tensor Pool(const FeatureMaps& maps) const;
  DualEncoderOutput Head(const FeatureMaps& maps, v1::Modality modality);
  std::unique_ptr<Networks> networks_;
};

// Embeds the probe images with the networks as they are (evaluation mode, fp32, CPU) and fills
// manifest.golden_probe; the manifest's preprocessing must be set.
absl::Status FillGoldenProbe(DualEncoder& encoder, v1::CheckpointManifest& manifest);

}  // namespace s2p

#endif  // S2P_MODEL_DUAL_ENCODER_H_
