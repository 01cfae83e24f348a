// Validates manifests: the part of checkpoint.h that touches no file.
#include <algorithm>
#include <cmath>
#include <set>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/backbone/architecture.h"
#include "model/checkpoint.h"

namespace s2p {
namespace {

constexpr uint32_t kMaxImageSide = 1024;
constexpr uint32_t kMaxThicken = 8;
constexpr uint32_t kLeastWorkSize = 16;
constexpr uint32_t kMaxWorkSize = 4096;
constexpr uint32_t kMaxShorterSide = 4096;
constexpr uint32_t kMaxGrid = 8;
constexpr uint32_t kMaxDimension = 1u << 17;
constexpr uint32_t kMaxAttributeHidden = 1u << 16;
constexpr int kMaxAttributes = 10'000;
constexpr size_t kMaxAttributeNameBytes = 256;

absl::Status Invalid(absl::string_view field, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(field, ": ", what));
}

absl::Status CheckRange(absl::string_view field, uint32_t value, uint32_t low, uint32_t high) {
  if (value >= low && value <= high) return absl::OkStatus();
  return Invalid(field, absl::StrCat(value, " is not in [", low, ", ", high, "]"));
}

absl::Status CheckEmbedding(const v1::Backbone& backbone, const v1::Embedding& embedding) {
  S2P_ASSIGN_OR_RETURN(int pooled, PooledDimension(backbone, embedding));
  S2P_RETURN_IF_ERROR(CheckRange("embedding.dimension", embedding.dimension(), 1, kMaxDimension));
  if (!embedding.projection() && embedding.dimension() != static_cast<uint32_t>(pooled)) {
    return Invalid("embedding.dimension",
                   absl::StrCat(embedding.dimension(), ", but the pooled vector has ", pooled,
                                " values and there is no projection"));
  }
  if (embedding.neck() != v1::NECK_NONE && embedding.neck() != v1::NECK_BATCH_NORM) {
    return Invalid("embedding.neck", "neither NECK_NONE nor NECK_BATCH_NORM");
  }
  const v1::RetrievalFeature feature = embedding.retrieval_feature();
  if (feature != v1::RETRIEVAL_FEATURE_POOLED && feature != v1::RETRIEVAL_FEATURE_NECK) {
    return Invalid("embedding.retrieval_feature",
                   "neither RETRIEVAL_FEATURE_POOLED nor RETRIEVAL_FEATURE_NECK");
  }
  if (feature == v1::RETRIEVAL_FEATURE_NECK && embedding.neck() == v1::NECK_NONE) {
    return Invalid("embedding.retrieval_feature", "RETRIEVAL_FEATURE_NECK, but there is no neck");
  }
  return absl::OkStatus();
}

absl::StatusOr<int> PooledGrids(const Architecture& architecture, int last_stage,
                                const v1::Embedding& embedding) {
  S2P_RETURN_IF_ERROR(CheckRange("embedding.grid", embedding.grid(), 1, kMaxGrid));
  S2P_RETURN_IF_ERROR(CheckRange("embedding.fine_grid", embedding.fine_grid(), 0, kMaxGrid));
  const auto cells = [](uint32_t side) { return static_cast<int>(side * side); };
  return architecture.ChannelsAfter(last_stage) * cells(embedding.grid()) +
         architecture.ChannelsAfter(last_stage - 1) * cells(embedding.fine_grid());
}

absl::Status CheckPreprocessing(const std::string& name, const v1::Preprocessing& p) {
  absl::Status status = CheckRange(name + ".height", p.height(), 1, kMaxImageSide);
  if (status.ok()) status = CheckRange(name + ".width", p.width(), 1, kMaxImageSide);
  if (status.ok()) status = CheckRange(name + ".thicken", p.thicken(), 0, kMaxThicken);
  if (status.ok() && p.work_size() != 0) {
    status = CheckRange(name + ".work_size", p.work_size(), kLeastWorkSize, kMaxWorkSize);
  }
  if (status.ok() && p.resize_shorter() != 0) {
    status = CheckRange(name + ".resize_shorter", p.resize_shorter(),
                        std::max(p.height(), p.width()), kMaxShorterSide);
  }
  if (!status.ok()) return status;
  if (p.filter() != v1::RESIZE_FILTER_BILINEAR && p.filter() != v1::RESIZE_FILTER_BICUBIC &&
      p.filter() != v1::RESIZE_FILTER_LANCZOS) {
    return Invalid(name + ".filter",
                   "not RESIZE_FILTER_BILINEAR, RESIZE_FILTER_BICUBIC or RESIZE_FILTER_LANCZOS");
  }
  if (p.mean_size() != 3) return Invalid(name + ".mean", "not three values");
  if (p.std_size() != 3) return Invalid(name + ".std", "not three values");
  for (int c = 0; c < 3; ++c) {
    if (!std::isfinite(p.mean(c))) {
      return Invalid(absl::StrCat(name, ".mean[", c, "]"), "not finite");
    }
    if (!std::isfinite(p.std(c)) || p.std(c) <= 0) {
      return Invalid(absl::StrCat(name, ".std[", c, "]"), "not a positive number");
    }
  }
  return absl::OkStatus();
}

// The images must have a size that the network can take.
absl::Status CheckSides(const v1::Backbone& backbone, const std::string& name,
                        const v1::Preprocessing& p) {
  S2P_ASSIGN_OR_RETURN(const Architecture architecture, ArchitectureOf(backbone));
  const std::pair<const char*, uint32_t> sides[] = {{".height", p.height()}, {".width", p.width()}};
  for (const auto& [side, pixels] : sides) {
    const std::string must_be =
        WrongSide(architecture, static_cast<int>(backbone.last_stage()), pixels);
    if (must_be.empty()) continue;
    return Invalid(name + side,
                   absl::StrCat(pixels, " is not ", must_be, ", as ", backbone.arch(), " needs"));
  }
  return absl::OkStatus();
}

absl::Status CheckAttributes(const v1::CheckpointManifest& manifest) {
  if (manifest.attributes_size() > kMaxAttributes) {
    return Invalid("attributes", absl::StrCat("more than ", kMaxAttributes));
  }
  std::set<std::string> names;
  for (int i = 0; i < manifest.attributes_size(); ++i) {
    const std::string& name = manifest.attributes(i);
    const std::string field = absl::StrCat("attributes[", i, "]");
    if (name.empty() || name.size() > kMaxAttributeNameBytes) {
      return Invalid(field, absl::StrCat("a name of ", name.size(), " bytes"));
    }
    if (!names.insert(name).second) return Invalid(field, "a duplicate name");
  }
  if (manifest.attributes().empty()) {
    return CheckRange("attribute_hidden", manifest.attribute_hidden(), 0, 0);
  }
  return CheckRange("attribute_hidden", manifest.attribute_hidden(), 1, kMaxAttributeHidden);
}

absl::Status CheckEvaluations(const v1::CheckpointManifest& manifest) {
  for (int i = 0; i < manifest.evaluations_size(); ++i) {
    const v1::Evaluation& e = manifest.evaluations(i);
    const std::pair<const char*, double> fractions[] = {{"rank1", e.rank1()},
                                                        {"rank5", e.rank5()},
                                                        {"rank10", e.rank10()},
                                                        {"rank20", e.rank20()},
                                                        {"mAP", e.mean_average_precision()}};
    for (const auto& [name, value] : fractions) {
      if (!(value >= 0 && value <= 1)) {
        return Invalid(absl::StrCat("evaluations[", i, "].", name), "not in [0, 1]");
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<int> PooledDimension(const v1::Backbone& backbone, const v1::Embedding& embedding) {
  S2P_ASSIGN_OR_RETURN(const Architecture architecture, ArchitectureOf(backbone));
  if (embedding.pooling() == v1::POOLING_GRID) {
    return PooledGrids(architecture, static_cast<int>(backbone.last_stage()), embedding);
  }
  S2P_RETURN_IF_ERROR(CheckRange("embedding.grid", embedding.grid(), 0, 0));
  S2P_RETURN_IF_ERROR(CheckRange("embedding.fine_grid", embedding.fine_grid(), 0, 0));
  if (embedding.pooling() == v1::POOLING_GLOBAL) {
    return architecture.ChannelsAfter(static_cast<int>(backbone.last_stage()));
  }
  if (embedding.pooling() != v1::POOLING_SUMMARY) {
    return Invalid("embedding.pooling",
                   "neither POOLING_GLOBAL nor POOLING_GRID nor POOLING_SUMMARY");
  }
  if (architecture.summary == 0 || backbone.last_stage() != 4) {
    return Invalid("embedding.pooling", "POOLING_SUMMARY, but the network has no summary");
  }
  return architecture.summary;
}

absl::Status ValidateManifest(const v1::CheckpointManifest& manifest) {
  const v1::Backbone& backbone = manifest.backbone();
  absl::Status status = ArchitectureOf(backbone).status();
  if (status.ok()) status = CheckEmbedding(backbone, manifest.embedding());
  if (status.ok()) status = CheckPreprocessing("photo", manifest.photo());
  if (status.ok()) status = CheckPreprocessing("sketch", manifest.sketch());
  if (status.ok()) status = CheckSides(backbone, "photo", manifest.photo());
  if (status.ok()) status = CheckSides(backbone, "sketch", manifest.sketch());
  if (status.ok()) status = CheckAttributes(manifest);
  if (status.ok()) status = CheckEvaluations(manifest);
  return status;
}

}  // namespace s2p
