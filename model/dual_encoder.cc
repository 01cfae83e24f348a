#include "model/dual_encoder.h"

#include <torch/nn/functional/linear.h>
#include <torch/nn/functional/normalization.h>
#include <torch/nn/init.h>
#include <torch/nn/modules/activation.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/dropout.h>
#include <torch/nn/modules/linear.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "model/torch_tensors.h"
#include "model/torch_version.h"

namespace s2p {
namespace {

// The release's values.
constexpr double kLeakySlope = 0.1;
constexpr double kAttributeDropout = 0.5;

// [n, pooled] -> [n, d]: one matrix for both modalities, a bias for each.
class Projection : public torch::nn::Module {
 public:
  Projection(int in, int out)
      : weight_(register_parameter("weight", torch::empty({out, in}))),
        photo_bias_(register_parameter("photo_bias", torch::zeros({out}))),
        sketch_bias_(register_parameter("sketch_bias", torch::zeros({out}))) {
    torch::NoGradGuard no_grad;
    torch::nn::init::kaiming_normal_(weight_, 0, torch::kFanIn, torch::kLinear);
  }
  torch::Tensor Forward(const torch::Tensor& x, v1::Modality modality) {
    return torch::nn::functional::linear(
        x, weight_, modality == v1::MODALITY_SKETCH ? sketch_bias_ : photo_bias_);
  }

 private:
  torch::Tensor weight_;
  torch::Tensor photo_bias_;
  torch::Tensor sketch_bias_;
};

torch::nn::Sequential AttributeHead(HeadForm form, int in, int hidden, int attributes) {
  namespace nn = torch::nn;
  if (form == HeadForm::kDense) {
    return nn::Sequential(nn::Linear(in, hidden), nn::ReLU(), nn::Linear(hidden, hidden),
                          nn::ReLU(), nn::Linear(hidden, attributes));
  }
  const auto leaky = [] {
    return nn::LeakyReLU(nn::LeakyReLUOptions().negative_slope(kLeakySlope));
  };
  return nn::Sequential(nn::Linear(in, hidden), nn::BatchNorm1d(hidden), leaky(),
                        nn::Dropout(kAttributeDropout), nn::Linear(hidden, hidden),
                        nn::BatchNorm1d(hidden), leaky(), nn::Dropout(kAttributeDropout),
                        nn::Linear(hidden, attributes));
}

// The form of the head that these weights belong to; `otherwise` if they are of neither.
HeadForm FormOf(const TensorMap& weights, HeadForm otherwise) {
  if (weights.count("attribute_head.8.weight") > 0) return HeadForm::kBatchNorm;
  return weights.count("attribute_head.2.weight") > 0 ? HeadForm::kDense : otherwise;
}

// [n, c, h, w] -> [n, c * cells * cells].
torch::Tensor CellMeans(const torch::Tensor& maps, int64_t cells) {
  return torch::adaptive_avg_pool2d(maps, {cells, cells}).flatten(1);
}

void CopyTensors(const std::map<std::string, torch::Tensor>& from,
                 std::map<std::string, torch::Tensor> to) {
  torch::NoGradGuard no_grad;
  for (const auto& [name, tensor] : from) to.at(name).copy_(tensor);
}

}  // namespace

struct DualEncoder::Networks {
  torch::nn::Sequential MakeAttributeHead() const {
    return AttributeHead(head_form, static_cast<int>(embedding.dimension()), attribute_hidden,
                         attributes);
  }

  v1::Backbone backbone;
  v1::Embedding embedding;
  // Both point to one object when the backbone is shared.
  std::shared_ptr<Backbone> photo;
  std::shared_ptr<Backbone> sketch;
  // These are null if the manifest has none.
  std::shared_ptr<Projection> projection;
  torch::nn::BatchNorm1d neck{nullptr};
  torch::nn::Sequential attribute_head{nullptr};
  HeadForm head_form = HeadForm::kBatchNorm;
  int attribute_hidden = 0;
  int attributes = 0;
};

absl::StatusOr<std::shared_ptr<DualEncoder>> DualEncoder::Create(
    const v1::CheckpointManifest& manifest, HeadForm head_form) {
  S2P_RETURN_IF_ERROR(ValidateManifest(manifest));
  S2P_ASSIGN_OR_RETURN(int pooled, PooledDimension(manifest.backbone(), manifest.embedding()));
  absl::StatusOr<std::shared_ptr<Backbone>> photo = CreateBackbone(manifest.backbone());
  if (!photo.ok()) return photo.status();
  absl::StatusOr<std::shared_ptr<Backbone>> sketch = photo;
  if (!manifest.backbone().shared()) sketch = CreateBackbone(manifest.backbone());
  if (!sketch.ok()) return sketch.status();
  const int dimension = static_cast<int>(manifest.embedding().dimension());
  try {
    auto networks = std::make_unique<Networks>();
    networks->backbone = manifest.backbone();
    networks->embedding = manifest.embedding();
    networks->head_form = head_form;
    networks->attribute_hidden = static_cast<int>(manifest.attribute_hidden());
    networks->attributes = manifest.attributes_size();
    networks->photo = *std::move(photo);
    networks->sketch = *std::move(sketch);
    if (manifest.embedding().projection()) {
      networks->projection = std::make_shared<Projection>(pooled, dimension);
    }
    if (manifest.embedding().neck() == v1::NECK_BATCH_NORM) {
      networks->neck = torch::nn::BatchNorm1d(dimension);
      networks->neck->bias.set_requires_grad(false);
    }
    if (networks->attributes > 0) networks->attribute_head = networks->MakeAttributeHead();
    return std::shared_ptr<DualEncoder>(new DualEncoder(std::move(networks)));
  } catch (const std::exception& error) {
    return TorchError(error, "networks");
  }
}

DualEncoder::DualEncoder(std::unique_ptr<Networks> networks) : networks_(std::move(networks)) {
  if (networks_->photo == networks_->sketch) {
    register_module("encoder", networks_->photo);
  } else {
    register_module("photo_encoder", networks_->photo);
    register_module("sketch_encoder", networks_->sketch);
  }
  if (networks_->projection != nullptr) register_module("projection", networks_->projection);
  if (!networks_->neck.is_empty()) register_module("neck", networks_->neck);
  if (!networks_->attribute_head.is_empty()) {
    register_module("attribute_head", networks_->attribute_head);
  }
}

DualEncoder::~DualEncoder() = default;

DualEncoderOutput DualEncoder::Forward(const torch::Tensor& images, v1::Modality modality) {
  return Head(BackboneOf(modality).Forward(images), modality);
}

std::vector<DualEncoderOutput> DualEncoder::ForwardParts(
    const std::vector<torch::Tensor>& parts, const std::vector<v1::Modality>& modalities) {
  S2P_CHECK(!parts.empty() && parts.size() == modalities.size());
  bool together = networks_->photo == networks_->sketch;
  std::vector<int64_t> sizes;
  for (const torch::Tensor& part : parts) {
    together = together && part.sizes().slice(1) == parts[0].sizes().slice(1);
    sizes.push_back(part.size(0));
  }
  std::vector<DualEncoderOutput> outputs;
  if (!together) {
    for (size_t i = 0; i < parts.size(); ++i) outputs.push_back(Forward(parts[i], modalities[i]));
    return outputs;
  }
  const FeatureMaps maps = networks_->photo->Forward(torch::cat(parts));
  const auto before_last = maps.before_last.split_with_sizes(sizes);
  const auto last = maps.last.split_with_sizes(sizes);
  std::vector<torch::Tensor> summary(parts.size());
  if (maps.summary.defined()) summary = maps.summary.split_with_sizes(sizes);
  for (size_t i = 0; i < parts.size(); ++i) {
    outputs.push_back(Head({before_last[i], last[i], summary[i]}, modalities[i]));
  }
  return outputs;
}

DualEncoderOutput DualEncoder::Head(const FeatureMaps& maps, v1::Modality modality) {
  DualEncoderOutput output;
  output.stage3 =
      CellMeans(networks_->backbone.last_stage() == 3 ? maps.last : maps.before_last, 1);
  output.embedding = EmbeddingOf(maps, modality);
  return output;
}

torch::Tensor DualEncoder::EmbeddingOf(const FeatureMaps& maps, v1::Modality modality) {
  const torch::Tensor pooled = Pool(maps);
  return networks_->projection == nullptr ? pooled
                                          : networks_->projection->Forward(pooled, modality);
}

torch::Tensor DualEncoder::Pooled(const torch::Tensor& images, v1::Modality modality) {
  return Pool(BackboneOf(modality).Forward(images));
}

Backbone& DualEncoder::BackboneOf(v1::Modality modality) {
  return modality == v1::MODALITY_SKETCH ? *networks_->sketch : *networks_->photo;
}

torch::Tensor DualEncoder::Pool(const FeatureMaps& maps) const {
  const v1::Embedding& embedding = networks_->embedding;
  if (embedding.pooling() == v1::POOLING_SUMMARY) return maps.summary;
  if (embedding.pooling() != v1::POOLING_GRID) return CellMeans(maps.last, 1);
  const torch::Tensor coarse = CellMeans(maps.last, embedding.grid());
  if (!has_fine_grid()) return coarse;
  return torch::cat({coarse, CellMeans(maps.before_last, embedding.fine_grid())}, 1);
}

torch::Tensor DualEncoder::Neck(const torch::Tensor& embedding) {
  return networks_->neck.is_empty() ? embedding : networks_->neck(embedding);
}

torch::Tensor DualEncoder::AttributeLogits(const torch::Tensor& embedding) {
  S2P_CHECK(has_attributes());
  return networks_->attribute_head->forward(embedding);
}

torch::Tensor DualEncoder::RetrievalFeature(const torch::Tensor& embedding) {
  const bool after_neck = networks_->embedding.retrieval_feature() == v1::RETRIEVAL_FEATURE_NECK;
  return torch::nn::functional::normalize(
      after_neck ? Neck(embedding) : embedding,
      torch::nn::functional::NormalizeFuncOptions().p(2).dim(1).eps(1e-12));
}

bool DualEncoder::has_attributes() const { return !networks_->attribute_head.is_empty(); }

int DualEncoder::attribute_count() const { return networks_->attributes; }

HeadForm DualEncoder::head_form() const { return networks_->head_form; }

void DualEncoder::SetHeadForm(HeadForm form) {
  if (form == networks_->head_form) return;
  networks_->head_form = form;
  if (!has_attributes()) return;
  torch::nn::Sequential head = networks_->MakeAttributeHead();
  head->to(networks_->attribute_head->parameters()[0].device());
  head->train(is_training());
  networks_->attribute_head = replace_module("attribute_head", head);
}

bool DualEncoder::has_fine_grid() const { return networks_->embedding.fine_grid() > 0; }

int DualEncoder::dimension() const { return static_cast<int>(networks_->embedding.dimension()); }

Backbone& DualEncoder::photo_backbone() { return *networks_->photo; }

Backbone& DualEncoder::sketch_backbone() { return *networks_->sketch; }

void DualEncoder::ReleaseBackbones() {
  const bool shared = networks_->photo == networks_->sketch;
  unregister_module(shared ? "encoder" : "photo_encoder");
  if (!shared) unregister_module("sketch_encoder");
  networks_->photo.reset();
  networks_->sketch.reset();
}

void DualEncoder::CopyPhotoEncoderToSketchEncoder() {
  if (networks_->photo == networks_->sketch) return;
  CopyTensors(NamedTensors(*networks_->photo), NamedTensors(*networks_->sketch));
}

TensorMap DualEncoder::Weights() const {
  TensorMap weights;
  for (const auto& [name, tensor] : NamedTensors(*this)) weights[name] = ToTensorBytes(tensor);
  return weights;
}

absl::Status DualEncoder::SetWeights(const TensorMap& weights) {
  const HeadForm form = networks_->head_form;
  const torch::nn::Sequential head = networks_->attribute_head;
  SetHeadForm(FormOf(weights, form));
  absl::Status status = CopyWeights(weights);
  if (status.ok() || form == networks_->head_form) return status;
  networks_->head_form = form;
  if (has_attributes()) {
    networks_->attribute_head = replace_module("attribute_head", head);
  }
  return status;
}

absl::Status DualEncoder::CopyWeights(const TensorMap& weights) {
  std::map<std::string, torch::Tensor> targets = NamedTensors(*this);
  for (const auto& [name, tensor] : targets) {
    const auto bytes = weights.find(name);
    if (bytes == weights.end()) {
      return absl::DataLossError(absl::StrCat("tensor '", name, "': missing"));
    }
    if (bytes->second.type != TypeOf(tensor.scalar_type()) || !SameShape(bytes->second, tensor)) {
      return absl::DataLossError(DescribeMismatch(name, bytes->second, tensor));
    }
  }
  for (const auto& [name, bytes] : weights) {
    if (targets.count(name) == 0) {
      return absl::DataLossError(
          absl::StrCat("tensor '", name, "': the network has no tensor of this name"));
    }
  }
  try {
    torch::NoGradGuard no_grad;
    for (auto& [name, tensor] : targets) tensor.copy_(ToTorch(weights.at(name)));
  } catch (const std::exception& error) {
    return TorchError(error, "weights");
  }
  return absl::OkStatus();
}

}  // namespace s2p
