// Validates manifests: the part of checkpoint.h that touches no file.
#include <algorithm>
#include <cmath>
#include <set>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
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

// Channels of the last stage; 0 for an unknown arch.
int ChannelsOf(const v1::Backbone& backbone) {
  const int doublings = static_cast<int>(backbone.last_stage()) - 1;
  if (backbone.arch() == "resnet18" || backbone.arch() == "resnet34") return 64 << doublings;
  if (backbone.arch() == "resnet50" || backbone.arch() == "se_resnext50_32x4d") {
    return 256 << doublings;
  }
  return 0;
}

absl::Status CheckBackbone(const v1::Backbone& backbone) {
  S2P_RETURN_IF_ERROR(CheckRange("backbone.last_stage", backbone.last_stage(), 3, 4));
  if (ChannelsOf(backbone) == 0) {
    return Invalid("backbone.arch", absl::StrCat("'", backbone.arch(),
                                                 "' is not one of resnet18, resnet34, resnet50, "
                                                 "se_resnext50_32x4d"));
  }
  if (backbone.last_stage() == 3) return absl::OkStatus();
  return CheckRange("backbone.last_stride", backbone.last_stride(), 1, 2);
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
  absl::Status status = CheckBackbone(backbone);
  if (!status.ok()) return status;
  const int channels = ChannelsOf(backbone);
  if (embedding.pooling() == v1::POOLING_GLOBAL) {
    status = CheckRange("embedding.grid", embedding.grid(), 0, 0);
    if (status.ok()) status = CheckRange("embedding.fine_grid", embedding.fine_grid(), 0, 0);
    if (!status.ok()) return status;
    return channels;
  }
  if (embedding.pooling() != v1::POOLING_GRID) {
    return Invalid("embedding.pooling", "neither POOLING_GLOBAL nor POOLING_GRID");
  }
  status = CheckRange("embedding.grid", embedding.grid(), 1, kMaxGrid);
  if (status.ok()) {
    status = CheckRange("embedding.fine_grid", embedding.fine_grid(), 0, kMaxGrid);
  }
  if (!status.ok()) return status;
  const auto cells = [](uint32_t side) { return static_cast<int>(side * side); };
  return channels * cells(embedding.grid()) + channels / 2 * cells(embedding.fine_grid());
}

absl::Status ValidateManifest(const v1::CheckpointManifest& manifest) {
  absl::Status status = CheckBackbone(manifest.backbone());
  if (status.ok()) status = CheckEmbedding(manifest.backbone(), manifest.embedding());
  if (status.ok()) status = CheckPreprocessing("photo", manifest.photo());
  if (status.ok()) status = CheckPreprocessing("sketch", manifest.sketch());
  if (status.ok()) status = CheckAttributes(manifest);
  if (status.ok()) status = CheckEvaluations(manifest);
  return status;
}

}  // namespace s2p
