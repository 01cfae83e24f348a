#include "trainer/spec/ignored_fields.h"

#include <google/protobuf/text_format.h>

#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "model/backbone/architecture.h"
#include "trainer/spec/preset_values.h"

namespace s2p {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

struct Rule {
  const char* field;
  // Whether nothing reads the field of this resolved spec.
  bool (*is_ignored)(const v1::TrainingSpec& resolved);
  const char* why;
};

bool Always(const v1::TrainingSpec&) { return true; }
bool IsRelease(const v1::TrainingSpec& spec) { return spec.recipe() == v1::RECIPE_RELEASE; }
bool IsPaper(const v1::TrainingSpec& spec) { return !IsRelease(spec); }
bool HasNoSource(const v1::TrainingSpec& spec) { return spec.source_dataset().empty(); }
// A watched job's successors continue from its version with the rest of its spec.
bool NeverHasVersion(const v1::TrainingSpec& spec) {
  return !spec.has_initial_version() && !spec.watch();
}
// Jobs that continue a watched one have its source and epochs, so this is true for them, too.
bool HasNoStep1(const v1::TrainingSpec& spec) {
  return HasNoSource(spec) || spec.step1().epochs() == 0;
}
bool NeverHadWeights(const v1::TrainingSpec& spec) {
  return spec.initial_weights().empty() && !spec.has_initial_version();
}
// Networks without stage 4 are made with 2, which says nothing.
bool HasNoStage4(const v1::TrainingSpec& spec) {
  return spec.backbone().last_stage() == 3 && spec.backbone().last_stride() != 2;
}

bool HasNoTransformer(const v1::TrainingSpec& spec) { return spec.backbone().arch() != "vit"; }
// True for networks other than ResNets: these alone have a stride and batch norms. An unknown arch
// is refused elsewhere.
bool IsNotAResNet(const v1::TrainingSpec& spec) {
  const auto architecture = FindArchitecture(spec.backbone().arch(), spec.backbone().transformer());
  return architecture.ok() && !architecture->IsResidual();
}

constexpr char kOfResNets[] = "only ResNets read it";
constexpr char kOfRelease[] = "only the recipe RELEASE reads it";
constexpr char kOwnSchedule[] = "the recipe RELEASE has a schedule of its own";
constexpr char kNoSource[] = "the term needs a source_dataset";

constexpr Rule kRules[] = {
    {"release.step1_decay", IsPaper, kOfRelease},
    {"release.step1_last_decay", IsPaper, kOfRelease},
    {"release.step2_decay", IsPaper, kOfRelease},
    {"release.step2_decay_from_epoch", IsPaper, kOfRelease},
    {"release.step1_single_image_epochs", IsPaper, kOfRelease},
    {"step1.cosine", IsRelease, kOwnSchedule},
    {"step2.cosine", IsRelease, kOwnSchedule},
    {"step1.warmup_epochs", IsRelease, kOwnSchedule},
    {"step1.source_images", Always, "step 1 sees source photos alone"},
    {"step2.images_per_identity", Always, "a batch of step 2 has one pair of each identity"},
    {"backbone.last_stride", HasNoStage4, "backbone.last_stage leaves stage 4 out"},
    {"backbone.last_stride", IsNotAResNet, kOfResNets},
    {"backbone.frozen_statistics", IsNotAResNet, kOfResNets},
    {"backbone.transformer", HasNoTransformer, "the arch vit alone reads it"},
    {"loss.attribute", HasNoSource, kNoSource},
    {"loss.attribute_entropy", HasNoSource, kNoSource},
    {"loss.consistency", HasNoSource, kNoSource},
    {"loss.domain", HasNoSource, kNoSource},
    {"skip_unused_weights", NeverHadWeights, "there are no initial_weights"},
    {"repeat_step1", NeverHasVersion, "there is no initial_version"},
    {"repeat_step1", HasNoStep1, "step 1 needs a source_dataset and step1.epochs above 0"},
};

// The text of a field; nothing where it is not set.
std::optional<std::string> ValueOf(const Message& root, const std::string& path) {
  const Message* message = &root;
  const FieldDescriptor* field = nullptr;
  for (const absl::string_view name : absl::StrSplit(path, '.')) {
    if (field != nullptr) message = &message->GetReflection()->GetMessage(*message, field);
    field = message->GetDescriptor()->FindFieldByName(std::string(name));
  }
  if (!message->GetReflection()->HasField(*message, field)) return std::nullopt;
  std::string text;
  google::protobuf::TextFormat::PrintFieldValueToString(*message, field, -1, &text);
  return text;
}

bool IsIgnored(const Rule& rule, const v1::TrainingSpec& spec, const v1::TrainingSpec& preset,
               const v1::TrainingSpec& resolved) {
  const auto value = ValueOf(spec, rule.field);
  if (!value || *value == "0" || *value == "false") return false;
  return value != ValueOf(preset, rule.field) && rule.is_ignored(resolved);
}

void Clear(const std::string& path, Message& root) {
  Message* message = &root;
  const FieldDescriptor* field = nullptr;
  for (const absl::string_view name : absl::StrSplit(path, '.')) {
    if (field != nullptr) message = message->GetReflection()->MutableMessage(message, field);
    field = message->GetDescriptor()->FindFieldByName(std::string(name));
  }
  message->GetReflection()->ClearField(message, field);
}

}  // namespace

std::vector<std::string> IgnoredFields(const v1::TrainingSpec& spec, const v1::TrainingSpec& preset,
                                       const v1::TrainingSpec& resolved) {
  std::vector<std::string> ignored;
  for (const Rule& rule : kRules) {
    if (!IsIgnored(rule, spec, preset, resolved)) continue;
    ignored.push_back(absl::StrCat(rule.field, ": has no effect: ", rule.why));
  }
  return ignored;
}

void ClearIgnoredFields(v1::TrainingSpec& spec) {
  const auto preset = PresetValues(spec);
  if (!preset.ok()) return;
  v1::TrainingSpec resolved = *preset;
  resolved.MergeFrom(spec);
  for (const Rule& rule : kRules) {
    if (IsIgnored(rule, spec, *preset, resolved)) Clear(rule.field, spec);
  }
}

std::vector<std::string> FieldsThatMayBeIgnored() {
  std::vector<std::string> fields;
  for (const Rule& rule : kRules) fields.emplace_back(rule.field);
  return fields;
}

}  // namespace s2p
