#include "model/dual_encoder.h"

#include <cstring>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "model/check.h"
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

// C_att of the release, under its numbers: dense layers are 0, 4 and 8, batch norms 1 and 5.
torch::nn::Sequential AttributeHead(int in, int hidden, int attributes) {
  namespace nn = torch::nn;
  const auto leaky = [] {
    return nn::LeakyReLU(nn::LeakyReLUOptions().negative_slope(kLeakySlope));
  };
  return nn::Sequential(nn::Linear(in, hidden), nn::BatchNorm1d(hidden), leaky(),
                        nn::Dropout(kAttributeDropout), nn::Linear(hidden, hidden),
                        nn::BatchNorm1d(hidden), leaky(), nn::Dropout(kAttributeDropout),
                        nn::Linear(hidden, attributes));
}

// Parameters and buffers by name.
std::map<std::string, torch::Tensor> NamedTensors(const torch::nn::Module& module) {
  std::map<std::string, torch::Tensor> tensors;
  for (const auto& item : module.named_parameters()) tensors[item.key()] = item.value();
  for (const auto& item : module.named_buffers()) tensors[item.key()] = item.value();
  return tensors;
}

// The types that both sides know.
const std::vector<std::pair<TensorType, torch::ScalarType>>& Types() {
  static const auto& types = *new std::vector<std::pair<TensorType, torch::ScalarType>>{
      {TensorType::kF64, torch::kFloat64}, {TensorType::kF32, torch::kFloat32},
      {TensorType::kF16, torch::kFloat16}, {TensorType::kBF16, torch::kBFloat16},
      {TensorType::kI64, torch::kInt64},   {TensorType::kI32, torch::kInt32},
      {TensorType::kI16, torch::kInt16},   {TensorType::kI8, torch::kInt8},
      {TensorType::kU8, torch::kUInt8},    {TensorType::kBool, torch::kBool}};
  return types;
}

torch::ScalarType TorchTypeOf(TensorType type) {
  for (const auto& [ours, theirs] : Types()) {
    if (ours == type) return theirs;
  }
  S2P_CHECK(false);
  return torch::kFloat32;
}

TensorType TypeOf(torch::ScalarType type) {
  for (const auto& [ours, theirs] : Types()) {
    if (theirs == type) return ours;
  }
  S2P_CHECK(false);
  return TensorType::kF32;
}

bool IsFloating(TensorType type) { return torch::isFloatingType(TorchTypeOf(type)); }

std::string Described(TensorType type, absl::Span<const int64_t> shape) {
  return absl::StrCat(NameOf(type), " [", absl::StrJoin(shape, ", "), "]");
}

std::string Described(const torch::Tensor& tensor) {
  return Described(TypeOf(tensor.scalar_type()),
                   absl::MakeConstSpan(tensor.sizes().data(), tensor.sizes().size()));
}

bool SameShape(const TensorBytes& bytes, const torch::Tensor& tensor) {
  return tensor.sizes() == at::IntArrayRef(bytes.shape);
}

std::string Differs(absl::string_view name, const TensorBytes& got, const torch::Tensor& want) {
  return absl::StrCat("tensor '", name, "': ", Described(got.type, got.shape),
                      ", but the network has ", Described(want));
}

// `name` without the prefixes that a training program may have put before it.
absl::string_view StripPrefixes(absl::string_view name) {
  while (absl::ConsumePrefix(&name, "module.") || absl::ConsumePrefix(&name, "base.")) {
  }
  return name;
}

bool IsClassifier(absl::string_view name) {
  return absl::StartsWith(name, "fc.") || absl::StartsWith(name, "last_linear.");
}

bool IsCounter(absl::string_view name) { return absl::EndsWith(name, "num_batches_tracked"); }

// Pairs each tensor of the backbone with its bytes; null: a counter that is missing, which is 0.
absl::StatusOr<std::map<std::string, const TensorBytes*>> MatchBackbone(
    const TensorMap& weights, const std::map<std::string, torch::Tensor>& targets,
    LaterStages later_stages) {
  const bool ends_at_stage3 = targets.lower_bound("layer4.") == targets.lower_bound("layer4/");
  std::map<std::string, const TensorBytes*> matched;
  for (const auto& [full_name, bytes] : weights) {
    const std::string name(StripPrefixes(full_name));
    if (IsClassifier(name)) continue;
    if (ends_at_stage3 && absl::StartsWith(name, "layer4.")) {
      if (later_stages == LaterStages::kSkip) continue;
      return absl::InvalidArgumentError(
          absl::StrCat("tensor '", full_name,
                       "': the network ends at layer3; set skip_unused_weights to leave out what "
                       "lies behind it"));
    }
    const auto target = targets.find(name);
    if (target == targets.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat("tensor '", full_name, "': the network has none of this name"));
    }
    if (!SameShape(bytes, target->second) ||
        IsFloating(bytes.type) != target->second.is_floating_point()) {
      return absl::InvalidArgumentError(Differs(full_name, bytes, target->second));
    }
    if (!matched.emplace(name, &bytes).second) {
      return absl::InvalidArgumentError(absl::StrCat("tensor '", full_name, "': is there twice"));
    }
  }
  for (const auto& [name, tensor] : targets) {
    if (matched.count(name) != 0) continue;
    if (!IsCounter(name)) {
      return absl::InvalidArgumentError(absl::StrCat("tensor '", name, "': missing"));
    }
    matched.emplace(name, nullptr);
  }
  return matched;
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
  v1::Backbone backbone;
  v1::Embedding embedding;
  // The same object twice when shared.
  std::shared_ptr<Backbone> photo;
  std::shared_ptr<Backbone> sketch;
  // Null where the manifest has none.
  std::shared_ptr<Projection> projection;
  torch::nn::BatchNorm1d neck{nullptr};
  torch::nn::Sequential attribute_head{nullptr};
};

absl::StatusOr<std::shared_ptr<DualEncoder>> DualEncoder::Create(
    const v1::CheckpointManifest& manifest) {
  absl::Status status = ValidateManifest(manifest);
  if (!status.ok()) return status;
  absl::StatusOr<int> pooled = PooledDimension(manifest.backbone(), manifest.embedding());
  if (!pooled.ok()) return pooled.status();
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
    networks->photo = *std::move(photo);
    networks->sketch = *std::move(sketch);
    if (manifest.embedding().projection()) {
      networks->projection = std::make_shared<Projection>(*pooled, dimension);
    }
    if (manifest.embedding().neck() == v1::NECK_BATCH_NORM) {
      networks->neck = torch::nn::BatchNorm1d(dimension);
      networks->neck->bias.set_requires_grad(false);
    }
    if (!manifest.attributes().empty()) {
      networks->attribute_head = AttributeHead(
          dimension, static_cast<int>(manifest.attribute_hidden()), manifest.attributes_size());
    }
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
  for (size_t i = 0; i < parts.size(); ++i) {
    outputs.push_back(Head({before_last[i], last[i]}, modalities[i]));
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
  std::map<std::string, torch::Tensor> targets = NamedTensors(*this);
  for (const auto& [name, tensor] : targets) {
    const auto bytes = weights.find(name);
    if (bytes == weights.end()) {
      return absl::DataLossError(absl::StrCat("tensor '", name, "': missing"));
    }
    if (bytes->second.type != TypeOf(tensor.scalar_type()) || !SameShape(bytes->second, tensor)) {
      return absl::DataLossError(Differs(name, bytes->second, tensor));
    }
  }
  for (const auto& [name, bytes] : weights) {
    if (targets.count(name) == 0) {
      return absl::DataLossError(
          absl::StrCat("tensor '", name, "': the network has none of this name"));
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

absl::Status LoadBackboneWeights(const TensorMap& weights, LaterStages later_stages,
                                 DualEncoder& encoder) {
  std::map<std::string, torch::Tensor> targets = NamedTensors(encoder.photo_backbone());
  auto matched = MatchBackbone(weights, targets, later_stages);
  if (!matched.ok()) return matched.status();
  try {
    torch::NoGradGuard no_grad;
    for (auto& [name, tensor] : targets) {
      const TensorBytes* bytes = matched->at(name);
      if (bytes == nullptr) {
        tensor.zero_();
      } else {
        tensor.copy_(ToTorch(*bytes));
      }
    }
    encoder.CopyPhotoEncoderToSketchEncoder();
  } catch (const std::exception& error) {
    return TorchError(error, "weights");
  }
  return absl::OkStatus();
}

TensorBytes ToTensorBytes(const torch::Tensor& tensor) {
  const torch::Tensor source = tensor.detach().to(torch::kCPU).contiguous();
  TensorBytes bytes;
  bytes.type = TypeOf(source.scalar_type());
  bytes.shape = source.sizes().vec();
  bytes.bytes.assign(static_cast<const char*>(source.data_ptr()), source.nbytes());
  return bytes;
}

torch::Tensor ToTorch(const TensorBytes& tensor) {
  torch::Tensor result =
      torch::empty(tensor.shape, torch::TensorOptions().dtype(TorchTypeOf(tensor.type)));
  S2P_CHECK(result.nbytes() == tensor.bytes.size());
  if (!tensor.bytes.empty()) {
    std::memcpy(result.data_ptr(), tensor.bytes.data(), tensor.bytes.size());
  }
  return result;
}

}  // namespace s2p
