#include "trainer/spec/training_spec.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <algorithm>
#include <array>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/message_text.h"
#include "base/status_macros.h"
#include "model/backbone/architecture.h"
#include "model/checkpoint.h"
#include "model/sha256.h"
#include "trainer/spec/ignored_fields.h"
#include "trainer/spec/preset_values.h"
#include "trainer/spec/presets.h"
#include "trainer/spec/spec_errors.h"
#include "trainer/spec/spec_form.h"

namespace s2p {

absl::StatusOr<v1::TrainingSpec> ReadSpec(const std::string& path) {
  v1::TrainingSpec spec;
  S2P_RETURN_IF_ERROR(ReadMessageFile(path, spec));
  return spec;
}

std::vector<std::string> PresetNames() {
  std::vector<std::string> names;
  for (const Preset& preset : Presets()) names.emplace_back(preset.name);
  return names;
}

namespace {

// The preset's epochs of single images end before a spec's own triplet loss, which needs pairs of
// images, begins.
void EndSingleImagesBeforeTriplets(const v1::TrainingSpec& spec, v1::TrainingSpec& resolved) {
  if (spec.release().has_step1_single_image_epochs()) return;
  auto& release = *resolved.mutable_release();
  if (release.step1_single_image_epochs() <= resolved.step1().triplet_from_epoch()) return;
  if (resolved.loss().triplet() > 0) {
    release.set_step1_single_image_epochs(resolved.step1().triplet_from_epoch());
  }
}

}  // namespace

absl::StatusOr<v1::TrainingSpec> ResolveSpec(const v1::TrainingSpec& spec) {
  S2P_RETURN_IF_ERROR(WrongSpec(MovedFields(spec)));
  S2P_ASSIGN_OR_RETURN(const auto preset, PresetValues(spec));
  v1::TrainingSpec resolved = preset;
  resolved.MergeFrom(spec);
  resolved.set_preset(preset.preset());
  S2P_RETURN_IF_ERROR(WrongSpec(IgnoredFields(spec, preset, resolved)));
  if (resolved.has_release()) EndSingleImagesBeforeTriplets(spec, resolved);
  // A spec that asks for a length gets it.
  const auto& embedding = spec.embedding();
  if (embedding.has_dimension() && !embedding.has_few_pairs_dimension()) {
    resolved.mutable_embedding()->set_few_pairs_dimension(0);
  }
  return resolved;
}

namespace {

// True if something depends on the scale of the strokes, which a working size fixes.
bool NeedsWorkSize(const v1::TrainingSpec::InputSpec& input) {
  return input.edges() || input.thicken() > 0;
}

// Mean and deviation of each channel, on values in [0, 1].
struct PixelStatistics {
  std::array<float, 3> mean;
  std::array<float, 3> std;
};

PixelStatistics StatisticsOf(v1::Normalization normalization) {
  if (normalization == v1::NORMALIZATION_CLIP) {
    return {{0.48145466F, 0.4578275F, 0.40821073F}, {0.26862954F, 0.26130258F, 0.27577711F}};
  }
  if (normalization == v1::NORMALIZATION_HALF) return {{0.5F, 0.5F, 0.5F}, {0.5F, 0.5F, 0.5F}};
  return {{0.485F, 0.456F, 0.406F}, {0.229F, 0.224F, 0.225F}};
}

}  // namespace

v1::Preprocessing PreprocessingOf(const v1::TrainingSpec::InputSpec& input) {
  v1::Preprocessing preprocessing;
  preprocessing.set_height(input.height());
  preprocessing.set_width(input.width());
  preprocessing.set_grey(input.grey());
  preprocessing.set_edges(input.edges());
  preprocessing.set_thicken(input.thicken());
  preprocessing.set_filter(input.filter());
  preprocessing.set_resize_first(input.resize_first());
  preprocessing.set_fit(input.fit());
  if (NeedsWorkSize(input)) preprocessing.set_work_size(input.work_size());
  preprocessing.set_measured_ground(input.fit() && input.measured_ground());
  preprocessing.set_resize_shorter(input.resize_shorter());
  const PixelStatistics statistics = StatisticsOf(input.normalization());
  for (const float mean : statistics.mean) preprocessing.add_mean(mean);
  for (const float std : statistics.std) preprocessing.add_std(std);
  return preprocessing;
}

bool IsChannelsLast(const v1::TrainingSpec& spec) {
  return spec.has_channels_last() ? spec.channels_last() : spec.precision() == v1::PRECISION_BF16;
}

v1::TrainingSpec::LossSpec::PhotoNeighbours PhotoNeighboursOf(const v1::TrainingSpec& spec) {
  v1::TrainingSpec::LossSpec::PhotoNeighbours neighbours;
  neighbours.set_triplets(10);
  neighbours.set_margin(0.01);
  neighbours.MergeFrom(spec.loss().photo_neighbours());
  return neighbours;
}

bool RunsStep1(const v1::TrainingSpec& resolved) {
  return resolved.step1().epochs() > 0 && !resolved.source_dataset().empty() &&
         (!resolved.has_initial_version() || resolved.repeat_step1());
}

int HeadWidth(v1::Recipe recipe) { return recipe == v1::RECIPE_RELEASE ? 128 : 512; }

v1::Backbone BackboneOf(const v1::TrainingSpec& resolved) {
  const v1::TrainingSpec::BackboneSpec& spec = resolved.backbone();
  v1::Backbone backbone;
  backbone.set_arch(spec.arch());
  backbone.set_last_stage(spec.last_stage());
  if (spec.has_transformer()) *backbone.mutable_transformer() = spec.transformer();
  backbone.set_shared(spec.shared());
  const auto architecture = FindArchitecture(spec.arch(), spec.transformer());
  const bool strides = spec.last_stage() != 3 && (!architecture.ok() || architecture->IsResidual());
  backbone.set_last_stride(strides ? spec.last_stride() : 2);
  return backbone;
}

absl::StatusOr<v1::CheckpointManifest> ManifestOf(const v1::TrainingSpec& resolved,
                                                  const std::vector<std::string>& attributes) {
  v1::CheckpointManifest manifest;
  const v1::Backbone& backbone = *manifest.mutable_backbone() = BackboneOf(resolved);
  v1::Embedding& embedding = *manifest.mutable_embedding();
  embedding.set_pooling(resolved.embedding().pooling());
  if (embedding.pooling() == v1::POOLING_GRID) {
    embedding.set_grid(resolved.embedding().grid());
    embedding.set_fine_grid(resolved.embedding().fine_grid());
  }
  embedding.set_neck(resolved.embedding().neck());
  embedding.set_retrieval_feature(resolved.embedding().retrieval_feature());
  S2P_ASSIGN_OR_RETURN(const auto pooled, PooledDimension(backbone, embedding));
  embedding.set_projection(resolved.embedding().dimension() > 0);
  embedding.set_dimension(embedding.projection() ? resolved.embedding().dimension()
                                                 : static_cast<uint32_t>(pooled));
  *manifest.mutable_photo() = PreprocessingOf(resolved.photo());
  *manifest.mutable_sketch() = PreprocessingOf(resolved.sketch());
  for (const std::string& attribute : attributes) manifest.add_attributes(attribute);
  if (!attributes.empty()) {
    manifest.set_attribute_hidden(static_cast<uint32_t>(HeadWidth(resolved.recipe())));
  }
  return manifest;
}

std::string SpecDigest(const v1::TrainingSpec& spec) {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    FirstForm(spec).SerializeToCodedStream(&coded);
  }
  return Sha256(bytes);
}

}  // namespace s2p
