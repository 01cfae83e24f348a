#include "trainer/ihda/ihda_networks.h"

#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/utils/clip_grad.h>

#include <set>
#include <sstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "model/torch_version.h"
#include "trainer/ihda/heads.h"
#include "trainer/optimization/gradient_reversal.h"
#include "trainer/optimization/meta_step.h"
#include "trainer/optimization/optimizer.h"
#include "trainer/spec/training_spec.h"

namespace s2p {
namespace {

std::vector<Backbone*> Backbones(DualEncoder& encoder) {
  std::vector<Backbone*> backbones = {&encoder.photo_backbone()};
  if (&encoder.sketch_backbone() != backbones[0]) backbones.push_back(&encoder.sketch_backbone());
  return backbones;
}

void SetStatisticsFixed(torch::nn::Module& module) {
  if (auto* norm = module.as<torch::nn::BatchNorm2d>()) norm->eval();
  for (const auto& child : module.children()) SetStatisticsFixed(*child);
}

// Convolution weights in the memory format that their inputs have.
void MakeChannelsLast(torch::nn::Module& module) {
  for (torch::Tensor& parameter : module.parameters()) {
    if (parameter.dim() == 4) {
      parameter.set_data(parameter.data().contiguous(torch::MemoryFormat::ChannelsLast));
    }
  }
}

// Parameters of `group` that learn.
void AddLearning(const std::vector<torch::Tensor>& parameters, std::vector<torch::Tensor>& group) {
  for (const torch::Tensor& parameter : parameters) {
    if (parameter.requires_grad()) group.push_back(parameter);
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<IhdaNetworks>> IhdaNetworks::Create(
    const v1::TrainingSpec& spec, const v1::CheckpointManifest& manifest, torch::Device device,
    Ranks* ranks) {
  S2P_ASSIGN_OR_RETURN(auto encoder,
                       DualEncoder::Create(manifest, RecipeOf(spec.recipe()).head_form));
  try {
    encoder->to(device);
    if (IsChannelsLast(spec)) MakeChannelsLast(*encoder);
    return std::unique_ptr<IhdaNetworks>(new IhdaNetworks(spec, std::move(encoder), device, ranks));
  } catch (const std::exception& error) {
    return TorchError(error, "networks");
  }
}

IhdaNetworks::IhdaNetworks(const v1::TrainingSpec& spec, std::shared_ptr<DualEncoder> encoder,
                           torch::Device device, Ranks* ranks)
    : spec_(spec),
      recipe_(RecipeOf(spec.recipe())),
      device_(device),
      ranks_(ranks),
      encoder_(std::move(encoder)) {
  for (Backbone* backbone : Backbones(*encoder_)) backbone->ShareStatistics(ranks_);
  domain_classifier_ =
      DomainClassifier(encoder_->dimension(), recipe_.head_width, recipe_.head_form);
  domain_classifier_->to(device_);
  if (recipe_.initializes_heads) {
    InitializeAsRelease(*domain_classifier_);
    const auto parts = encoder_->named_children();
    if (const auto* head = parts.find("attribute_head")) InitializeAsRelease(**head);
  }
  for (Backbone* backbone : Backbones(*encoder_)) {
    const auto stages = backbone->Stages();
    for (size_t i = 0; i < spec_.backbone().frozen_stages() && i < stages.size(); ++i) {
      for (torch::Tensor& parameter : stages[i]->parameters()) parameter.set_requires_grad(false);
    }
  }
}

const v1::TrainingSpec::StepSpec& IhdaNetworks::step_spec() const {
  return ihda_step_ == 1 ? spec_.step1() : spec_.step2();
}

std::set<const void*> IhdaNetworks::BackboneParameters() const {
  std::set<const void*> of_backbones;
  for (Backbone* backbone : Backbones(*encoder_)) {
    for (const torch::Tensor& parameter : backbone->parameters()) {
      of_backbones.insert(parameter.unsafeGetTensorImpl());
    }
  }
  return of_backbones;
}

std::vector<torch::Tensor> IhdaNetworks::HeadParameters() const {
  const std::set<const void*> of_backbones = BackboneParameters();
  std::vector<torch::Tensor> heads;
  for (const torch::Tensor& parameter : encoder_->parameters()) {
    if (of_backbones.count(parameter.unsafeGetTensorImpl()) == 0) heads.push_back(parameter);
  }
  for (const auto* classifier : {&domain_classifier_, &identity_classifier_}) {
    const auto parameters = (*classifier)->parameters();
    heads.insert(heads.end(), parameters.begin(), parameters.end());
  }
  return heads;
}

void IhdaNetworks::BeginStep(int ihda_step, int identities) {
  S2P_CHECK(ihda_step == 1 || ihda_step == 2);
  ihda_step_ = ihda_step;
  identities_ = identities;
  identity_classifier_ =
      IdentityClassifier(encoder_->dimension(), identities, recipe_.identity_dropout);
  identity_classifier_->to(device_);

  std::vector<torch::Tensor> heads, encoders;
  AddLearning(HeadParameters(), heads);
  for (Backbone* backbone : Backbones(*encoder_)) AddLearning(backbone->parameters(), encoders);
  std::vector<torch::optim::OptimizerParamGroup> groups = {
      torch::optim::OptimizerParamGroup(heads)};
  if (!encoders.empty()) groups.emplace_back(encoders);
  optimizer_ = MakeOptimizer(groups, step_spec(), recipe_.adam_beta1);
}

void IhdaNetworks::SetTraining() {
  encoder_->train();
  domain_classifier_->train();
  identity_classifier_->train();
  for (Backbone* backbone : Backbones(*encoder_)) {
    if (spec_.backbone().frozen_statistics()) SetStatisticsFixed(*backbone);
    const auto stages = backbone->Stages();
    for (size_t i = 0; i < spec_.backbone().frozen_stages() && i < stages.size(); ++i) {
      stages[i]->eval();
    }
  }
}

std::vector<DualEncoderOutput> IhdaNetworks::Forward(const std::vector<torch::Tensor>& parts,
                                                     const std::vector<v1::Modality>& modalities,
                                                     const std::vector<int64_t>& rows) {
  S2P_CHECK(ranks_ == nullptr || rows.size() == parts.size());
  const Bf16Autocast autocast(spec_.precision() == v1::PRECISION_BF16, device_.type());
  std::vector<DualEncoderOutput> outputs = encoder_->ForwardParts(parts, modalities);
  for (DualEncoderOutput& output : outputs) {
    output.stage3 = output.stage3.to(torch::kFloat32);
    output.embedding = output.embedding.to(torch::kFloat32);
  }
  if (ranks_ == nullptr) return outputs;
  for (size_t i = 0; i < outputs.size(); ++i) {
    outputs[i].stage3 = ranks_->GatherRows(outputs[i].stage3, rows[i]);
    outputs[i].embedding = ranks_->GatherRows(outputs[i].embedding, rows[i]);
  }
  return outputs;
}

torch::Tensor IhdaNetworks::IdentityLogits(const torch::Tensor& embedding) {
  return identity_classifier_->forward(encoder_->Neck(embedding));
}

torch::Tensor IhdaNetworks::DomainLogits(const torch::Tensor& embedding, double coefficient) {
  return domain_classifier_->forward(ReverseGradient(embedding, coefficient));
}

std::vector<torch::Tensor> IhdaNetworks::LearningParameters() const {
  std::vector<torch::Tensor> parameters;
  for (const auto& group : optimizer_->param_groups()) {
    parameters.insert(parameters.end(), group.params().begin(), group.params().end());
  }
  return parameters;
}

absl::Status IhdaNetworks::AddGradients(const std::function<absl::Status()>& backward) {
  if (ranks_ == nullptr) return backward();
  // Those of earlier batches of the update are whole already.
  const std::vector<torch::Tensor> parameters = LearningParameters();
  std::vector<torch::Tensor> earlier;
  for (const torch::Tensor& parameter : parameters) {
    earlier.push_back(parameter.grad());
    parameter.mutable_grad() = torch::Tensor();
  }
  S2P_RETURN_IF_ERROR(backward());
  SumGradients();
  torch::NoGradGuard no_grad;
  for (size_t i = 0; i < parameters.size(); ++i) {
    if (!earlier[i].defined()) continue;
    torch::Tensor& gradient = parameters[i].mutable_grad();
    gradient = gradient.defined() ? earlier[i] + gradient : earlier[i];
  }
  return absl::OkStatus();
}

// Parameters before the gathered rows have gradients of this rank's rows, those behind them the
// gradients of the whole batch on each rank; rank 0's are taken, so that all ranks have the same
// bits.
void IhdaNetworks::SumGradients() {
  torch::NoGradGuard no_grad;
  std::set<const void*> of_own_rows = BackboneParameters();
  const auto parts = encoder_->named_children();
  if (const auto* projection = parts.find("projection")) {
    for (const torch::Tensor& parameter : (*projection)->parameters()) {
      of_own_rows.insert(parameter.unsafeGetTensorImpl());
    }
  }
  std::vector<torch::Tensor> gradients, flat;
  for (const torch::Tensor& parameter : LearningParameters()) {
    if (!parameter.grad().defined()) continue;
    const bool counts = ranks_->first() || of_own_rows.count(parameter.unsafeGetTensorImpl()) > 0;
    gradients.push_back(parameter.grad());
    flat.push_back(counts ? gradients.back().flatten()
                          : torch::zeros({gradients.back().numel()}, gradients.back().options()));
  }
  if (flat.empty()) return;
  const torch::Tensor sum = torch::cat(flat);
  ranks_->Sum(sum);
  int64_t begin = 0;
  for (torch::Tensor& gradient : gradients) {
    gradient.copy_(sum.slice(0, begin, begin + gradient.numel()).view(gradient.sizes()));
    begin += gradient.numel();
  }
}

void IhdaNetworks::TakeWeightsOfFirst() {
  if (ranks_ == nullptr) return;
  const auto take = [this](const torch::nn::Module& module) {
    for (const torch::Tensor& parameter : module.parameters()) {
      ranks_->Broadcast(parameter.detach());
    }
    for (const torch::Tensor& buffer : module.buffers()) ranks_->Broadcast(buffer);
  };
  take(*encoder_);
  take(*domain_classifier_);
  if (!identity_classifier_.is_empty()) take(*identity_classifier_);
}

void IhdaNetworks::MoveParameters(double learning_rate) {
  auto& groups = optimizer_->param_groups();
  for (size_t i = 0; i < groups.size(); ++i) {
    groups[i].options().set_lr(i == 0 ? learning_rate
                                      : learning_rate * step_spec().encoder_rate_factor());
  }
  if (const double most = step_spec().gradient_clip(); most > 0) {
    torch::nn::utils::clip_grad_norm_(LearningParameters(), most);
  }
  optimizer_->step();
}

void IhdaNetworks::Update(double learning_rate) {
  MoveParameters(learning_rate);
  optimizer_->zero_grad();
}

absl::Status IhdaNetworks::AddMetaGradients(double learning_rate,
                                            const std::function<absl::Status()>& backward) {
  const std::vector<torch::Tensor> statistics = encoder_->buffers();
  std::vector<torch::Tensor> before;
  for (const torch::Tensor& statistic : statistics) before.push_back(statistic.clone());
  absl::Status status = AddMetaGradient(
      *optimizer_, [&] { MoveParameters(learning_rate); }, backward);
  for (size_t i = 0; i < statistics.size(); ++i) statistics[i].copy_(before[i]);
  return status;
}

std::string IhdaNetworks::Save() const {
  torch::serialize::OutputArchive archive;
  const auto add = [&archive](const char* name, const auto& part) {
    torch::serialize::OutputArchive child(archive.compilation_unit());
    part.save(child);
    archive.write(name, child);
  };
  add("encoder", *encoder_);
  add("domain_classifier", *domain_classifier_);
  add("identity_classifier", *identity_classifier_);
  add("optimizer", *optimizer_);
  std::ostringstream bytes;
  archive.save_to(bytes);
  return std::move(bytes).str();
}

uint64_t IhdaNetworks::SavedBytes() const {
  uint64_t bytes = 0;
  const auto add = [&bytes](const std::vector<torch::Tensor>& tensors, uint64_t times) {
    for (const torch::Tensor& tensor : tensors) bytes += times * tensor.nbytes();
  };
  const auto add_part = [&add](const torch::nn::Module& part) {
    add(part.parameters(), 1);
    add(part.buffers(), 1);
  };
  add_part(*encoder_);
  add_part(*domain_classifier_);
  add_part(*identity_classifier_);
  // Adam has two moments of each.
  for (const auto& group : optimizer_->param_groups()) add(group.params(), 2);
  return bytes;
}

void IhdaNetworks::TakeHeadForms(torch::serialize::InputArchive& archive) {
  torch::serialize::InputArchive encoder, head, domain_classifier, last_layer;
  archive.read("encoder", encoder);
  HeadForm form = encoder_->head_form();
  if (encoder_->has_attributes()) {
    encoder.read("attribute_head", head);
    form = head.try_read("8", last_layer) ? HeadForm::kBatchNorm : HeadForm::kDense;
  }
  archive.read("domain_classifier", domain_classifier);
  const HeadForm domain_form =
      domain_classifier.try_read("6", last_layer) ? HeadForm::kBatchNorm : HeadForm::kDense;
  const bool domain_differs =
      domain_form != (domain_classifier_->size() > 5 ? HeadForm::kBatchNorm : HeadForm::kDense);
  if (form == encoder_->head_form() && !domain_differs) return;
  encoder_->SetHeadForm(form);
  if (domain_differs) {
    domain_classifier_ = DomainClassifier(encoder_->dimension(), recipe_.head_width, domain_form);
    domain_classifier_->to(device_);
  }
  BeginStep(ihda_step_, identities_);
}

absl::Status IhdaNetworks::Load(const std::string& bytes) {
  try {
    torch::serialize::InputArchive archive;
    archive.load_from(bytes.data(), bytes.size(), device_);
    TakeHeadForms(archive);
    const auto read = [&archive](const char* name, auto& part) {
      torch::serialize::InputArchive child;
      archive.read(name, child);
      part.load(child);
    };
    read("encoder", *encoder_);
    read("domain_classifier", *domain_classifier_);
    read("identity_classifier", *identity_classifier_);
    read("optimizer", *optimizer_);
    return absl::OkStatus();
  } catch (const std::exception& error) {
    return absl::DataLossError(TorchError(error, "saved state").message());
  }
}

}  // namespace s2p
