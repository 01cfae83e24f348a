#include "model/encoder.h"

#include <torch/types.h>

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "base/steady_time.h"
#include "image/preprocessor.h"
#include "model/backbone/frozen_backbone.h"
#include "model/dual_encoder.h"
#include "model/encoder_agreement.h"
#include "model/golden_probe.h"
#include "model/torch_device.h"
#include "model/torch_parallel.h"
#include "model/torch_version.h"

namespace s2p {
namespace {

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

torch::ScalarType TypeOf(Precision precision) {
  switch (precision) {
    case Precision::kBfloat16:
      return torch::kBFloat16;
    case Precision::kFloat16:
      return torch::kFloat16;
    case Precision::kFloat32:
      break;
  }
  return torch::kFloat32;
}

constexpr char kAutoPrecision[] = "auto";

// InvalidArgument for a name that is unknown, or a precision that the device lacks; empty for auto.
absl::StatusOr<std::optional<Precision>> ReadPrecision(const EncoderOptions& options,
                                                       torch::Device device) {
  std::optional<Precision> precision;
  if (options.precision == kAutoPrecision) return precision;
  precision = PrecisionOf(options.precision);
  if (!precision) {
    return absl::InvalidArgumentError(
        absl::StrCat("precision: '", options.precision, "' is none of fp32, bf16, half and auto"));
  }
  S2P_RETURN_IF_ERROR(CheckPrecision(*precision, device.is_cpu(), options.cpu_has_bf16));
  return precision;
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

  // Switches to folded networks of this precision in this layout, or in the fastest if it is
  // "auto". InvalidArgument for a layout that network or device do not have.
  absl::Status Freeze(const std::string& layout, Precision precision, bool shared) {
    const c10::InferenceMode inference;
    FrozenOptions frozen;
    frozen.type = TypeOf(precision);
    frozen.device = device_;
    frozen.height = photo_.height();
    frozen.width = photo_.width();
    S2P_ASSIGN_OR_RETURN(frozen.layout, ChooseLayout(networks_->photo_backbone(), layout, frozen));
    photo_backbone_ = networks_->photo_backbone().Freeze(frozen);
    sketch_backbone_ = photo_backbone_;
    if (!shared) {
      frozen.height = sketch_.height();
      frozen.width = sketch_.width();
      sketch_backbone_ = networks_->sketch_backbone().Freeze(frozen);
    }
    networks_->ReleaseBackbones();
    precision_choice_.precision = precision;
    description_ = absl::StrCat(NameOf(frozen.layout), ", ", NameOf(precision));
    return absl::OkStatus();
  }

  int64_t version() const override { return version_; }
  int dimension() const override { return networks_->dimension(); }
  const std::vector<std::string>& attributes() const override { return attributes_; }
  std::string device() const override {
    return device_.is_cpu() ? "cpu" : absl::StrCat("cuda:", device_.index());
  }
  std::string description() const override { return description_; }
  PrecisionChoice precision_choice() const override { return precision_choice_; }
  void ExplainPrecision(std::string reason, bool doubtful = false) {
    precision_choice_.reason = std::move(reason);
    precision_choice_.doubtful = doubtful;
  }
  uint64_t device_memory_bytes() const override {
    uint64_t bytes = 0;
    if (device_.is_cpu()) return bytes;
    for (const torch::Tensor& tensor : networks_->parameters()) bytes += tensor.nbytes();
    for (const torch::Tensor& tensor : networks_->buffers()) bytes += tensor.nbytes();
    if (photo_backbone_ != nullptr) bytes += photo_backbone_->bytes();
    if (sketch_backbone_ != photo_backbone_) bytes += sketch_backbone_->bytes();
    return bytes;
  }

  absl::StatusOr<PreprocessedImage> Preprocess(const Image& image,
                                               v1::Modality modality) const override {
    S2P_RETURN_IF_ERROR(CheckInputs({EncoderInput{&image, modality}}));
    try {
      return PreprocessedImage{version_, modality, PreprocessorOf(modality).Prepare(image)};
    } catch (const std::exception& error) {
      return TorchError(error, "preprocess");
    }
  }

  absl::StatusOr<Encoding> Encode(absl::Span<const EncoderInput> inputs) const override {
    S2P_RETURN_IF_ERROR(CheckInputs(inputs));
    try {
      AdoptEncoderThreads();
      const c10::InferenceMode inference;
      Encoding encoding;
      const int n = static_cast<int>(inputs.size());
      encoding.embeddings = EmbeddingMatrix(n, dimension());
      encoding.attributes = EmbeddingMatrix(n, static_cast<int>(attributes_.size()));
      for (const Group& group : GroupByModality(inputs)) EncodeGroup(inputs, group, encoding);
      // Once more in double, since a device's float32 norm is off by about 1e-6.
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

  const Preprocessor& PreprocessorOf(v1::Modality modality) const {
    return modality == v1::MODALITY_SKETCH ? sketch_ : photo_;
  }

  // Whether Preprocess of this version made the input's preprocessed image.
  bool IsPreprocessed(const EncoderInput& input) const {
    const PreprocessedImage* const made = input.preprocessed;
    const Preprocessor& preprocessor = PreprocessorOf(input.modality);
    return made != nullptr && made->version == version_ && made->modality == input.modality &&
           made->pixels.width() == preprocessor.width() &&
           made->pixels.height() == preprocessor.height();
  }

  // [k, 3, height, width] on the CPU, in pinned memory if there is a GPU.
  torch::Tensor NetworkInput(absl::Span<const EncoderInput> inputs, const Group& group) const {
    const Preprocessor& preprocessor = PreprocessorOf(group.modality);
    const int64_t count = static_cast<int64_t>(group.positions.size());
    torch::Tensor batch = torch::empty({count, 3, preprocessor.height(), preprocessor.width()},
                                       torch::TensorOptions().pinned_memory(device_.is_cuda()));
    float* const data = batch.data_ptr<float>();
    at::parallel_for(0, count, 1, [&](int64_t begin, int64_t end) {
      for (int64_t k = begin; k < end; ++k) {
        const EncoderInput& input = inputs[group.positions[k]];
        const auto row = absl::MakeSpan(data + k * preprocessor.size(), preprocessor.size());
        if (IsPreprocessed(input)) {
          preprocessor.Normalize(input.preprocessed->pixels, row);
        } else {
          preprocessor.Apply(*input.image, row);
        }
      }
    });
    return batch;
  }

  void EncodeGroup(absl::Span<const EncoderInput> inputs, const Group& group,
                   Encoding& encoding) const {
    const SteadyTime start = SteadyTime::Now();
    const torch::Tensor batch = NetworkInput(inputs, group);
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
  PrecisionChoice precision_choice_;
};

// Prefixes the error with the path of the checkpoint's file.
absl::Status At(const Checkpoint& checkpoint, const char* file, const absl::Status& status) {
  if (checkpoint.directory.empty() || !absl::IsDataLoss(status)) return status;
  return absl::Status(status.code(),
                      absl::StrCat(checkpoint.directory, "/", file, ": ", status.message()));
}

// Loads the checkpoint in one precision and checks its golden probe.
absl::StatusOr<std::unique_ptr<TorchEncoder>> LoadIn(Precision precision,
                                                     const Checkpoint& checkpoint,
                                                     const std::string& layout,
                                                     torch::Device device) {
  auto encoder = TorchEncoder::Create(checkpoint.manifest, checkpoint.weights, device);
  if (!encoder.ok()) return At(checkpoint, kWeightsFileName, encoder.status());
  S2P_RETURN_IF_ERROR(
      (*encoder)->Freeze(layout, precision, checkpoint.manifest.backbone().shared()));
  const absl::Status status = CheckGoldenProbe(**encoder, checkpoint.manifest.golden_probe());
  if (!status.ok()) return At(checkpoint, kManifestFileName, status);
  return encoder;
}

// FailedPrecondition if precision "auto" is not to try bfloat16.
absl::Status CheckAuto(const EncoderOptions& options, torch::Device device) {
  if (!device.is_cpu()) {
    return absl::FailedPreconditionError("reduced precision on a GPU is chosen by name only");
  }
  if (options.cpu_has_bf16()) return absl::OkStatus();
  return absl::FailedPreconditionError("this CPU lacks AVX512-BF16");
}

// Loads the checkpoint in this precision, and compares it with `full`, which is float32, in
// precision_choice. FailedPrecondition if it fails the golden probe in this precision.
absl::StatusOr<std::unique_ptr<TorchEncoder>> LoadReduced(Precision precision, const Encoder& full,
                                                          const Checkpoint& checkpoint,
                                                          const std::string& layout,
                                                          torch::Device device) {
  S2P_ASSIGN_OR_RETURN(auto reduced, LoadIn(precision, checkpoint, layout, device));
  S2P_ASSIGN_OR_RETURN(const EncoderAgreement agreement, MeasureAgreement(full, *reduced));
  const absl::Status verdict =
      CheckAgreement(agreement, checkpoint.manifest.golden_probe().min_cosine_half());
  reduced->ExplainPrecision(
      verdict.ok() ? absl::StrCat("it agrees with fp32 on built-in pictures: ", Describe(agreement))
                   : std::string(verdict.message()),
      /*doubtful=*/!verdict.ok());
  return reduced;
}

absl::StatusOr<std::unique_ptr<TorchEncoder>> LoadAuto(const Checkpoint& checkpoint,
                                                       const EncoderOptions& options,
                                                       torch::Device device) {
  S2P_ASSIGN_OR_RETURN(auto full, LoadIn(Precision::kFloat32, checkpoint, options.layout, device));
  absl::Status why_not = CheckAuto(options, device);
  if (why_not.ok()) {
    // Whatever goes wrong here, such as memory for a second copy, the model can serve in float32.
    try {
      auto reduced = LoadReduced(Precision::kBfloat16, *full, checkpoint, options.layout, device);
      if (reduced.ok() && !(*reduced)->precision_choice().doubtful) return reduced;
      why_not = reduced.ok() ? absl::FailedPreconditionError((*reduced)->precision_choice().reason)
                             : reduced.status();
    } catch (const std::exception& error) {
      why_not = TorchError(error, "load in bf16");
    }
  }
  full->ExplainPrecision(absl::StrCat("not bf16: ", why_not.message()));
  return full;
}

absl::StatusOr<std::unique_ptr<TorchEncoder>> LoadWith(const Checkpoint& checkpoint,
                                                       const EncoderOptions& options,
                                                       torch::Device device) {
  S2P_ASSIGN_OR_RETURN(const auto precision, ReadPrecision(options, device));
  if (!precision) return LoadAuto(checkpoint, options, device);
  S2P_ASSIGN_OR_RETURN(auto full, LoadIn(Precision::kFloat32, checkpoint, options.layout, device));
  if (precision == Precision::kFloat32) return full;
  return LoadReduced(*precision, *full, checkpoint, options.layout, device);
}

}  // namespace

absl::Status CheckDevice(const std::string& device) { return SelectDevice(device).status(); }

absl::Status CheckEncoderOptions(const EncoderOptions& options) {
  S2P_ASSIGN_OR_RETURN(const auto device, SelectDevice(options.device));
  if (options.layout != "auto" && !LayoutOf(options.layout)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "layout: '", options.layout, "' is neither auto, contiguous, channels_last nor onednn"));
  }
  return ReadPrecision(options, device).status();
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
    auto encoder = LoadWith(checkpoint, options, device);
    if (!encoder.ok()) return encoder.status();
    return std::unique_ptr<const Encoder>(*std::move(encoder));
  } catch (const std::exception& error) {
    return TorchError(error, "load encoder");
  }
}

void AdoptEncoderThreads() {
  thread_local const bool adopted = (at::init_num_threads(), true);
  static_cast<void>(adopted);
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
    return WriteGoldenProbe(**frozen, *manifest.mutable_golden_probe());
  } catch (const std::exception& error) {
    return TorchError(error, "golden probe");
  }
}

}  // namespace s2p
