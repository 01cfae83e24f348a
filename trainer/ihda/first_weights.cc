#include "trainer/ihda/first_weights.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "model/backbone_weights.h"
#include "model/checkpoint_store.h"
#include "model/weights/weight_files.h"
#include "trainer/evaluation/evaluator.h"
#include "trainer/ihda/human_share.h"
#include "trainer/start/projection_init.h"

namespace s2p {
namespace {

absl::Status LoadFile(const v1::TrainingSpec& spec, DualEncoder& encoder) {
  S2P_ASSIGN_OR_RETURN(auto weights, ReadWeights(spec.initial_weights()));
  const LaterStages later = spec.skip_unused_weights() ? LaterStages::kSkip : LaterStages::kRefuse;
  const absl::Status status = LoadBackboneWeights(std::move(weights), later, encoder);
  if (status.ok()) return status;
  return absl::Status(status.code(), absl::StrCat(spec.initial_weights(), ": ", status.message()));
}

// Brings the outputs of the attribute head, `from`, into the order `to` of the same names: the rows
// of its last layer's weight and bias.
absl::Status ReorderAttributes(const std::vector<std::string>& from,
                               const std::vector<std::string>& to, TensorMap& weights) {
  if (from == to) return absl::OkStatus();
  // The head has fewer than ten layers, so that names are in the order of their numbers.
  std::string last;
  for (const auto& item : weights) {
    if (absl::StartsWith(item.first, "attribute_head.")) last = item.first;
  }
  const std::string layer = last.substr(0, last.rfind('.') + 1);
  for (const char* name : {"weight", "bias"}) {
    const auto found = weights.find(layer + name);
    if (found == weights.end() || found->second.bytes.size() % from.size() != 0) {
      return absl::InvalidArgumentError(
          absl::StrCat(layer, name, ": has no row for each attribute, so it cannot be reordered"));
    }
    const std::string& old = found->second.bytes;
    const size_t row_bytes = old.size() / from.size();
    std::string bytes;
    for (const std::string& attribute : to) {
      const auto row = std::find(from.begin(), from.end(), attribute) - from.begin();
      bytes.append(old, static_cast<size_t>(row) * row_bytes, row_bytes);
    }
    found->second.bytes = std::move(bytes);
  }
  return absl::OkStatus();
}

std::vector<std::string> AttributesOf(const v1::CheckpointManifest& manifest) {
  return {manifest.attributes().begin(), manifest.attributes().end()};
}

absl::Status LoadVersion(const v1::TrainingSpec& spec, const std::string& checkpoint_root,
                         const std::vector<std::string>& attributes, DualEncoder& encoder) {
  S2P_RETURN_IF_ERROR(FindInitialVersion(checkpoint_root, spec.initial_version()));
  S2P_ASSIGN_OR_RETURN(auto checkpoint,
                       CheckpointStore(checkpoint_root).Read(spec.initial_version()));
  S2P_RETURN_IF_ERROR(CheckAttributes(checkpoint.manifest, attributes));
  S2P_RETURN_IF_ERROR(
      ReorderAttributes(AttributesOf(checkpoint.manifest), attributes, checkpoint.weights));
  const absl::Status status = encoder.SetWeights(checkpoint.weights);
  if (status.ok()) return status;
  return absl::InvalidArgumentError(
      absl::StrCat("initial_version ", spec.initial_version(),
                   " is another network than the spec's: ", status.message()));
}

std::string ListOf(const std::vector<std::string>& names) {
  return names.empty() ? "none" : absl::StrJoin(names, ", ");
}

}  // namespace

absl::Status FindInitialVersion(const std::string& checkpoint_root, int64_t version) {
  const auto manifest = ReadManifest(CheckpointStore(checkpoint_root).DirectoryOf(version));
  if (!absl::IsNotFound(manifest.status())) return absl::OkStatus();
  return absl::NotFoundError(
      absl::StrCat("initial_version: version ", version, " is not in ", checkpoint_root,
                   "; it may have been pruned (--keep-last). Train from a version that is there"));
}

absl::Status CheckAttributes(const v1::CheckpointManifest& version,
                             const std::vector<std::string>& attributes) {
  const std::vector<std::string> of_version = AttributesOf(version);
  if (std::is_permutation(of_version.begin(), of_version.end(), attributes.begin(),
                          attributes.end())) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("version ", version.version(), " predicts the attributes ", ListOf(of_version),
                   ", but the run trains ", ListOf(attributes),
                   "; choose the version's with attributes, or train without initial_version"));
}

absl::Status LoadFirstWeights(const v1::TrainingSpec& spec, const std::string& checkpoint_root,
                              const std::vector<std::string>& attributes, DualEncoder& encoder) {
  if (!spec.initial_weights().empty()) return LoadFile(spec, encoder);
  if (spec.has_initial_version()) return LoadVersion(spec, checkpoint_root, attributes, encoder);
  return absl::OkStatus();
}

absl::StatusOr<double> FitFirstProjection(const v1::TrainingSpec& spec, const TrainingData& data,
                                          DualEncoder& encoder, const std::function<bool()>& stop) {
  const std::vector<double> shares = SharesToTry(spec, data);
  if (spec.initial_weights().empty() || spec.embedding().dimension() == 0) return shares[0];
  const auto judge = [&](DualEncoder& fitted) -> absl::StatusOr<double> {
    S2P_ASSIGN_OR_RETURN(const auto result,
                         Evaluate(fitted, *data.validation, kSketchToPhoto, stop));
    return result.evaluation.mean_average_precision();
  };
  return InitializeWithBestShare(data.photos, data.sketches, spec.embedding(), shares, judge,
                                 encoder, stop);
}

}  // namespace s2p
