#include "trainer/program/release_checkpoint.h"

#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"
#include "model/checkpoint.h"
#include "model/dual_encoder.h"
#include "trainer/ihda/build_text.h"
#include "trainer/spec/training_spec.h"

namespace s2p {
namespace {

constexpr char kLastAttributeLayer[] = "A_net.attribute_net.8.weight";
constexpr int64_t kMaxAttributes = 1000;

// Beginnings of the released names, and of ours.
constexpr std::pair<const char*, const char*> kParts[] = {
    {"Embed_net_1.base.", "photo_encoder."},
    {"Embed_net_2.base.", "sketch_encoder."},
    {"Classify_net.bottleneck.", "neck."},
    {"A_net.attribute_net.", "attribute_head."}};

// Without the "module." behind the first part, if it has one.
std::string WithoutModule(const std::string& name) {
  const size_t dot = name.find('.');
  if (dot == std::string::npos) return name;
  absl::string_view rest = absl::string_view(name).substr(dot + 1);
  absl::ConsumePrefix(&rest, "module.");
  return absl::StrCat(name.substr(0, dot + 1), rest);
}

std::string ReleasedName(absl::string_view name) {
  for (const auto& [released, ours] : kParts) {
    if (absl::ConsumePrefix(&name, ours)) return absl::StrCat(released, name);
  }
  return std::string(name);
}

// Our name; empty for what only training needs; nothing for a name that a release has not.
std::optional<std::string> OurName(absl::string_view name) {
  for (const auto& [released, ours] : kParts) {
    if (absl::ConsumePrefix(&name, released)) return absl::StrCat(ours, name);
  }
  if (absl::StartsWith(name, "Classify_net.classifier.") || absl::StartsWith(name, "D_net.")) {
    return std::string();
  }
  return std::nullopt;
}

absl::StatusOr<TensorMap> Rename(const TensorMap& weights) {
  TensorMap renamed;
  for (const auto& [name, tensor] : weights) {
    const std::optional<std::string> ours = OurName(WithoutModule(name));
    if (!ours) {
      return absl::InvalidArgumentError(
          absl::StrCat("tensor '", name,
                       "': a released model has Embed_net_1, Embed_net_2, Classify_net, A_net "
                       "and D_net only; was the file written by tools/convert_weights.py?"));
    }
    if (!ours->empty() && !renamed.emplace(*ours, tensor).second) {
      return absl::InvalidArgumentError(absl::StrCat("tensor '", name, "': is there twice"));
    }
  }
  return renamed;
}

absl::StatusOr<std::vector<std::string>> AttributeNames(const TensorMap& renamed,
                                                        const std::vector<std::string>& given) {
  const auto last = renamed.find("attribute_head.8.weight");
  if (last == renamed.end()) {
    return absl::InvalidArgumentError(absl::StrCat("tensor '", kLastAttributeLayer, "': missing"));
  }
  if (last->second.shape.size() != 2 || last->second.shape[0] < 1 ||
      last->second.shape[0] > kMaxAttributes) {
    return absl::InvalidArgumentError(
        absl::StrCat("tensor '", kLastAttributeLayer, "': not of the shape [attributes, hidden]"));
  }
  const auto count = static_cast<size_t>(last->second.shape[0]);
  if (!given.empty() && given.size() != count) {
    return absl::InvalidArgumentError(absl::StrCat("the model has ", count, " attributes, but ",
                                                   given.size(), " names are given"));
  }
  std::vector<std::string> names = given;
  for (size_t i = names.size(); i < count; ++i) names.push_back(absl::StrCat("attribute ", i + 1));
  return names;
}

std::string ShapeText(const TensorBytes& tensor) {
  return absl::StrCat(NameOf(tensor.type), " [", absl::StrJoin(tensor.shape, ", "), "]");
}

// Checks that `renamed` has exactly the tensors of `expected`; adds counters that it lacks.
absl::Status Complete(const TensorMap& expected, TensorMap& renamed) {
  for (const auto& [name, want] : expected) {
    const auto found = renamed.find(name);
    if (found == renamed.end()) {
      if (!absl::EndsWith(name, "num_batches_tracked")) {
        return absl::InvalidArgumentError(
            absl::StrCat("tensor '", ReleasedName(name), "': missing"));
      }
      renamed[name] = {want.type, want.shape, std::string(want.bytes.size(), '\0')};
    } else if (found->second.shape != want.shape || found->second.type != want.type) {
      return absl::InvalidArgumentError(absl::StrCat("tensor '", ReleasedName(name),
                                                     "': ", ShapeText(found->second),
                                                     " where the network has ", ShapeText(want)));
    }
  }
  for (const auto& item : renamed) {
    if (expected.count(item.first) == 0) {
      return absl::InvalidArgumentError(absl::StrCat("tensor '", ReleasedName(item.first),
                                                     "': the network has none of this name"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<v1::TrainingSpec> ReleaseSpec(const std::string& preset) {
  for (const std::string& name : {preset, preset + "-release"}) {
    v1::TrainingSpec spec;
    spec.set_preset(name);
    auto resolved = ResolveSpec(spec);
    if (resolved.ok() && resolved->recipe() == v1::RECIPE_RELEASE) return resolved;
  }
  std::vector<std::string> released;
  for (const std::string& name : PresetNames()) {
    if (absl::EndsWith(name, "-release")) released.push_back(name);
  }
  return absl::InvalidArgumentError(absl::StrCat("preset: there are no released models of ", preset,
                                                 "; known are ", absl::StrJoin(released, ", ")));
}

absl::StatusOr<TrainedModel> ModelOfRelease(const TensorMap& weights,
                                            const v1::TrainingSpec& release_spec,
                                            const std::vector<std::string>& attributes) {
  S2P_ASSIGN_OR_RETURN(auto renamed, Rename(weights));
  S2P_ASSIGN_OR_RETURN(const auto names, AttributeNames(renamed, attributes));
  S2P_ASSIGN_OR_RETURN(auto manifest, ManifestOf(release_spec, names));
  S2P_ASSIGN_OR_RETURN(auto encoder, DualEncoder::Create(manifest));
  absl::Status status = Complete(encoder->Weights(), renamed);
  if (status.ok()) status = CheckFinite(renamed);
  if (status.ok()) status = encoder->SetWeights(renamed);
  if (!status.ok()) return absl::InvalidArgumentError(status.message());
  TrainedModel model{std::move(manifest), std::move(renamed)};
  model.manifest.mutable_provenance()->set_build(BuildText());
  model.manifest.mutable_provenance()->set_spec_sha256(SpecDigest(release_spec));
  status = FillGoldenProbe(*encoder, model.manifest);
  if (!status.ok()) return status;
  return model;
}

}  // namespace s2p
