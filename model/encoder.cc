#include "model/encoder.h"

#include <ATen/Parallel.h>
#include <torch/types.h>

#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "base/steady_time.h"
#include "image/preprocessor.h"
#include "model/backbone/frozen_backbone.h"
#include "model/dual_encoder.h"
#include "model/torch_device.h"
#include "model/torch_version.h"

namespace s2p {
namespace {

constexpr char kProbeImage[] = "s2p-probe-1";
constexpr double kMinCosineFp32 = 0.9999;
constexpr double kMinCosineHalf = 0.999;

// Pictures of one modality and their positions in the batch.
struct Group {
  v1::Modality modality;
  std::vector<int> positions;
};

// At most two groups, in the order in which the modalities appear.
std::vector<Group> GroupByModality(absl::Span<const EncoderInput> inputs) {
  std::vector<Group> groups;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const v1::Modality modality = inputs[i].modality;
    Group* group = nullptr;
    for (Group& candidate : groups) {
      if (candidate.modality == modality) group = &candidate;
    }
    if (group == nullptr) group = &groups.emplace_back(Group{modality, {}});
    group->positions.push_back(static_cast<int>(i));
  }
  return groups;
}

absl::Status CheckInputs(absl::Span<const EncoderInput> inputs) {
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i].image == nullptr || inputs[i].image->empty()) {
      return absl::InvalidArgumentError(absl::StrCat("inputs[", i, "].image: empty"));
    }
    if (inputs[i].modality != v1::MODALITY_PHOTO && inputs[i].modality != v1::MODALITY_SKETCH) {
      return absl::InvalidArgumentError(absl::StrCat("inputs[", i, "].modality: unknown"));
    }
  }
  return absl::OkStatus();
}

// Copies the rows of a [k, columns] tensor on the CPU to the rows `positions` of `matrix`.
void CopyRows(const torch::Tensor& rows, const std::vector<int>& positions,
              EmbeddingMatrix& matrix) {
  const torch::Tensor source = rows.to(torch::kCPU, torch::kFloat32).contiguous();
  const float* data = source.data_ptr<float>();
  for (size_t k = 0; k < positions.size(); ++k) {
    absl::Span<float> row = matrix.row(positions[k]);
    std::copy_n(data + k * row.size(), row.size(), row.begin());
  }
}

absl::StatusOr<torch::ScalarType> TypeOf(const std::string& precision, torch::Device device) {
  if (precision == "fp32") return torch::kFloat32;
  if (precision != "half") {
    return absl::InvalidArgumentError(
        absl::StrCat("precision: '", precision, "' is neither fp32 nor half"));
  }
  if (device.is_cuda()) return torch::kFloat16;
  return absl::InvalidArgumentError(
      "precision: 'half' needs a GPU (--device cuda:0); on the CPU use fp32");
}

class TorchEncoder final : public Encoder {
 public:
  static absl::StatusOr<std::unique_ptr<TorchEncoder>> Create(
      const v1::CheckpointManifest& manifest, const TensorMap& weights, torch::Device device) {
    S2P_ASSIGN_OR_RETURN(Preprocessor photo, Preprocessor::Create(manifest.photo()));
    S2P_ASSIGN_OR_RETURN(Preprocessor sketch, Preprocessor::Create(manifest.sketch()));
    S2P_ASSIGN_OR_RETURN(std::shared_ptr<DualEncoder> networks, DualEncoder::Create(manifest));
    S2P_RETURN_IF_ERROR(networks->SetWeights(weights));
    networks->eval();
    for (torch::Tensor& parameter : networks->parameters()) parameter.set_requires_grad(false);
    networks->to(device);
    return std::unique_ptr<TorchEncoder>(
        new TorchEncoder(manifest, photo, sketch, std::move(networks), device));
  }

  // Switches to folded networks in the fastest layout. InvalidArgument for options that the device
  // does not support.
  absl::Status Freeze(const EncoderOptions& options, bool shared) {
    const c10::InferenceMode inference;
    FrozenOptions frozen;
    S2P_ASSIGN_OR_RETURN(frozen.type, TypeOf(options.precision, device_));
    frozen.device = device_;
    frozen.height = photo_.height();
    frozen.width = photo_.width();
    S2P_ASSIGN_OR_RETURN(frozen.layout,
                         ChooseLayout(networks_->photo_backbone(), options.layout, frozen));
    photo_backbone_ = networks_->photo_backbone().Freeze(frozen);
    sketch_backbone_ = photo_backbone_;
    if (!shared) {
      frozen.height = sketch_.height();
      frozen.width = sketch_.width();
      sketch_backbone_ = networks_->sketch_backbone().Freeze(frozen);
    }
    networks_->ReleaseBackbones();
    description_ = absl::StrCat(NameOf(frozen.layout), ", ", options.precision);
    return absl::OkStatus();
  }

  int64_t version() const override { return version_; }
  int dimension() const override { return networks_->dimension(); }
  const std::vector<std::string>& attributes() const override { return attributes_; }
  std::string device() const override {
    return device_.is_cpu() ? "cpu" : absl::StrCat("cuda:", device_.index());
  }
  std::string description() const override { return description_; }
  uint64_t device_memory_bytes() const override {
    uint64_t bytes = 0;
    if (device_.is_cpu()) return bytes;
    for (const torch::Tensor& tensor : networks_->parameters()) bytes += tensor.nbytes();
    for (const torch::Tensor& tensor : networks_->buffers()) bytes += tensor.nbytes();
    if (photo_backbone_ != nullptr) bytes += photo_backbone_->bytes();
    if (sketch_backbone_ != photo_backbone_) bytes += sketch_backbone_->bytes();
    return bytes;
  }

  absl::StatusOr<Encoding> Encode(absl::Span<const EncoderInput> inputs) const override {
    S2P_RETURN_IF_ERROR(CheckInputs(inputs));
    try {
      // Each thread adopts the process's thread count when it first computes.
      thread_local const bool initialised = (at::init_num_threads(), true);
      static_cast<void>(initialised);
      const c10::InferenceMode inference;
      Encoding encoding;
      const int n = static_cast<int>(inputs.size());
      encoding.embeddings = EmbeddingMatrix(n, dimension());
      encoding.attributes = EmbeddingMatrix(n, static_cast<int>(attributes_.size()));
      for (const Group& group : GroupByModality(inputs)) EncodeGroup(inputs, group, encoding);
      S2P_RETURN_IF_ERROR(NormalizeRows(encoding.embeddings));
      return encoding;
    } catch (const std::exception& error) {
      return TorchError(error, "encode");
    }
  }

 private:
  TorchEncoder(const v1::CheckpointManifest& manifest, const Preprocessor& photo,
               const Preprocessor& sketch, std::shared_ptr<DualEncoder> networks,
               torch::Device device)
      : version_(manifest.version()),
        attributes_(manifest.attributes().begin(), manifest.attributes().end()),
        photo_(photo),
        sketch_(sketch),
        networks_(std::move(networks)),
        device_(device) {}

  // [k, 3, height, width] on the device -> [k, d].
  torch::Tensor Embedding(const torch::Tensor& images, v1::Modality modality) const {
    if (photo_backbone_ == nullptr) return networks_->Forward(images, modality).embedding;
    const auto& backbone = modality == v1::MODALITY_SKETCH ? *sketch_backbone_ : *photo_backbone_;
    return networks_->EmbeddingOf(backbone.Forward(images, networks_->has_fine_grid()), modality);
  }

  // [k, 3, height, width] on the CPU, in pinned memory if there is a GPU.
  torch::Tensor Preprocess(absl::Span<const EncoderInput> inputs, const Group& group) const {
    const Preprocessor& preprocessor = group.modality == v1::MODALITY_SKETCH ? sketch_ : photo_;
    const int64_t count = static_cast<int64_t>(group.positions.size());
    torch::Tensor batch = torch::empty({count, 3, preprocessor.height(), preprocessor.width()},
                                       torch::TensorOptions().pinned_memory(device_.is_cuda()));
    float* const data = batch.data_ptr<float>();
    at::parallel_for(0, count, 1, [&](int64_t begin, int64_t end) {
      for (int64_t k = begin; k < end; ++k) {
        preprocessor.Apply(*inputs[group.positions[k]].image,
                           absl::MakeSpan(data + k * preprocessor.size(), preprocessor.size()));
      }
    });
    return batch;
  }

  void EncodeGroup(absl::Span<const EncoderInput> inputs, const Group& group,
                   Encoding& encoding) const {
    const SteadyTime start = SteadyTime::Now();
    const torch::Tensor batch = Preprocess(inputs, group);
    const SteadyTime preprocessed = SteadyTime::Now();
    const torch::Tensor images = batch.to(device_, torch::kFloat32, /*non_blocking=*/true);
    const torch::Tensor embedding = Embedding(images, group.modality);
    CopyRows(networks_->RetrievalFeature(embedding), group.positions, encoding.embeddings);
    if (!attributes_.empty()) {
      CopyRows(torch::sigmoid(networks_->AttributeLogits(embedding)), group.positions,
               encoding.attributes);
    }
    encoding.preprocess_time += preprocessed - start;
    encoding.encode_time += SteadyTime::Now() - preprocessed;
  }

  // Normalises again in double, since a device's float32 norm is off by about 1e-6.
  static absl::Status NormalizeRows(EmbeddingMatrix& embeddings) {
    for (int i = 0; i < embeddings.rows(); ++i) {
      if (!NormalizeL2(embeddings.row(i))) {
        return absl::InternalError(
            absl::StrCat("encode: the embedding of inputs[", i, "] is zero or not finite"));
      }
    }
    return absl::OkStatus();
  }

  const int64_t version_;
  const std::vector<std::string> attributes_;
  const Preprocessor photo_;
  const Preprocessor sketch_;
  // Read-only after creation, although LibTorch's forward functions are not const.
  const std::shared_ptr<DualEncoder> networks_;
  const torch::Device device_;
  // Null until frozen; both point to one object when the backbone is shared.
  std::shared_ptr<const FrozenBackbone> photo_backbone_;
  std::shared_ptr<const FrozenBackbone> sketch_backbone_;
  std::string description_;
};

// Encodes the probe photo, then the probe sketch.
absl::StatusOr<Encoding> EncodeProbe(const Encoder& encoder) {
  const Image photo = ProbeImage(v1::MODALITY_PHOTO);
  const Image sketch = ProbeImage(v1::MODALITY_SKETCH);
  return encoder.Encode(
      {EncoderInput{&photo, v1::MODALITY_PHOTO}, EncoderInput{&sketch, v1::MODALITY_SKETCH}});
}

// `field` is the manifest's name for `expected`.
absl::Status CheckProbeVector(absl::string_view field, std::vector<float> expected,
                              absl::Span<const float> got, double min_cosine) {
  if (expected.size() != got.size()) {
    return absl::DataLossError(
        absl::StrCat(field, ": ", expected.size(), " values, not ", got.size()));
  }
  if (!NormalizeL2(absl::MakeSpan(expected))) {
    return absl::DataLossError(absl::StrCat(field, ": zero or not finite"));
  }
  const float cosine = CosineSimilarity(expected, got);
  if (cosine >= min_cosine) return absl::OkStatus();
  return absl::DataLossError(
      absl::StrCat(field, ": this program's embedding of the probe image has cosine similarity ",
                   cosine, " with the writer's, below ", min_cosine));
}

// `half` is true if the encoder computes in half precision.
absl::Status CheckGoldenProbe(const Encoder& encoder, const v1::GoldenProbe& probe, bool half) {
  if (probe.image() != kProbeImage) {
    return absl::DataLossError(
        absl::StrCat("golden_probe.image: '", probe.image(), "', not ", kProbeImage));
  }
  const double min_cosine = half ? probe.min_cosine_half() : probe.min_cosine_fp32();
  // A tolerance that accepts everything proves nothing.
  if (!(min_cosine >= 0.9 && min_cosine <= 1)) {
    return absl::DataLossError(absl::StrCat("golden_probe.min_cosine_", half ? "half" : "fp32",
                                            ": ", min_cosine, " is not in [0.9, 1]"));
  }
  S2P_ASSIGN_OR_RETURN(Encoding encoding, EncodeProbe(encoder));
  S2P_RETURN_IF_ERROR(CheckProbeVector("golden_probe.photo",
                                       {probe.photo().begin(), probe.photo().end()},
                                       encoding.embeddings.row(0), min_cosine));
  return CheckProbeVector("golden_probe.sketch", {probe.sketch().begin(), probe.sketch().end()},
                          encoding.embeddings.row(1), min_cosine);
}

// Prefixes the error with the path of the checkpoint's file.
absl::Status At(const Checkpoint& checkpoint, const char* file, const absl::Status& status) {
  if (checkpoint.directory.empty() || !absl::IsDataLoss(status)) return status;
  return absl::Status(status.code(),
                      absl::StrCat(checkpoint.directory, "/", file, ": ", status.message()));
}

}  // namespace

absl::Status CheckDevice(const std::string& device) { return SelectDevice(device).status(); }

absl::Status CheckEncoderOptions(const EncoderOptions& options) {
  S2P_ASSIGN_OR_RETURN(const auto device, SelectDevice(options.device));
  if (options.layout != "auto" && !LayoutOf(options.layout)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "layout: '", options.layout, "' is neither auto, contiguous, channels_last nor onednn"));
  }
  return TypeOf(options.precision, device).status();
}

absl::StatusOr<std::unique_ptr<const Encoder>> LoadEncoder(const Checkpoint& checkpoint,
                                                           const EncoderOptions& options) {
  if (options.threads < 0) {
    return absl::InvalidArgumentError(absl::StrCat("threads: ", options.threads, " is below 0"));
  }
  try {
    if (options.threads > 0) at::set_num_threads(options.threads);
    UseFullFloat32();
    S2P_ASSIGN_OR_RETURN(torch::Device device, SelectDevice(options.device));
    auto encoder = TorchEncoder::Create(checkpoint.manifest, checkpoint.weights, device);
    if (!encoder.ok()) return At(checkpoint, kWeightsFileName, encoder.status());
    absl::Status status = (*encoder)->Freeze(options, checkpoint.manifest.backbone().shared());
    if (!status.ok()) return status;
    const bool half = options.precision == "half";
    status = CheckGoldenProbe(**encoder, checkpoint.manifest.golden_probe(), half);
    if (!status.ok()) return At(checkpoint, kManifestFileName, status);
    return std::unique_ptr<const Encoder>(*std::move(encoder));
  } catch (const std::exception& error) {
    return TorchError(error, "load encoder");
  }
}

absl::Status FillGoldenProbe(DualEncoder& encoder, v1::CheckpointManifest& manifest) {
  try {
    // A second set of networks leaves the caller's networks unchanged. Its initial values are
    // replaced immediately and must not advance the caller's random generator.
    at::Generator generator = at::globalContext().defaultGenerator(at::kCPU);
    torch::Tensor random_state;
    {
      const std::lock_guard<std::mutex> lock(generator.mutex());
      random_state = generator.get_state();
    }
    auto frozen = TorchEncoder::Create(manifest, encoder.Weights(), torch::Device(torch::kCPU));
    {
      const std::lock_guard<std::mutex> lock(generator.mutex());
      generator.set_state(random_state);
    }
    if (!frozen.ok()) return frozen.status();
    S2P_ASSIGN_OR_RETURN(Encoding encoding, EncodeProbe(**frozen));
    v1::GoldenProbe& probe = *manifest.mutable_golden_probe();
    probe.Clear();
    probe.set_image(kProbeImage);
    for (float value : encoding.embeddings.row(0)) probe.add_photo(value);
    for (float value : encoding.embeddings.row(1)) probe.add_sketch(value);
    probe.set_min_cosine_fp32(kMinCosineFp32);
    probe.set_min_cosine_half(kMinCosineHalf);
    return absl::OkStatus();
  } catch (const std::exception& error) {
    return TorchError(error, "golden probe");
  }
}

}  // namespace s2p
