#include "trainer/spec/spec_errors.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "model/backbone/architecture.h"
#include "model/backbone/transformer_fields.h"
#include "trainer/spec/training_spec.h"

namespace s2p {
namespace {

// Collects "field: what it must be".
class Errors {
 public:
  void Require(bool holds, absl::string_view field, absl::string_view what) {
    if (!holds) texts_.push_back(absl::StrCat(field, ": must be ", what));
  }
  void Range(double value, double low, double high, absl::string_view field) {
    // Written so that NaN fails.
    Require(value >= low && value <= high, field, absl::StrCat("from ", low, " to ", high));
  }
  std::vector<std::string> Take() { return std::move(texts_); }

 private:
  std::vector<std::string> texts_;
};

bool IsDevice(absl::string_view device) {
  int number = 0;
  return device.empty() || device == "auto" || device == "cpu" ||
         (absl::ConsumePrefix(&device, "cuda:") && absl::SimpleAtoi(device, &number) &&
          number >= 0);
}

void CheckBackbone(const v1::TrainingSpec::BackboneSpec& backbone, Errors& errors) {
  const std::vector<std::string> names = ArchitectureNames();
  const bool known = std::find(names.begin(), names.end(), backbone.arch()) != names.end();
  errors.Require(known, "backbone.arch", absl::StrCat("one of ", absl::StrJoin(names, ", ")));
  if (backbone.arch() == "vit") {
    for (const WrongField& wrong : WrongFields(backbone.transformer())) {
      errors.Require(false, absl::StrCat("backbone.transformer.", wrong.name), wrong.must_be);
    }
  }
  errors.Range(backbone.last_stage(), 3, 4, "backbone.last_stage");
  errors.Range(backbone.last_stride(), 1, 2, "backbone.last_stride");
  errors.Range(backbone.frozen_stages(), 0, 5, "backbone.frozen_stages");
}

// Checks what the network asks of other fields, unless the network itself is wrong.
void CheckNetwork(const v1::TrainingSpec& spec, Errors& errors) {
  const auto architecture = ArchitectureOf(BackboneOf(spec));
  if (!architecture.ok()) return;
  const auto last_stage = static_cast<int>(spec.backbone().last_stage());
  const bool has_summary = architecture->summary > 0 && last_stage == 4;
  errors.Require(has_summary || spec.embedding().pooling() != v1::POOLING_SUMMARY,
                 "embedding.pooling",
                 "GLOBAL or GRID, unless the network is a transformer or ConvNeXt with "
                 "backbone.last_stage 4");
  const std::pair<const char*, uint32_t> sides[] = {{"photo.height", spec.photo().height()},
                                                    {"photo.width", spec.photo().width()},
                                                    {"sketch.height", spec.sketch().height()},
                                                    {"sketch.width", spec.sketch().width()}};
  for (const auto& [field, pixels] : sides) {
    const std::string must_be = WrongSide(*architecture, last_stage, pixels);
    errors.Require(must_be.empty(), field,
                   absl::StrCat(must_be, " for the arch ", spec.backbone().arch()));
  }
}

void CheckEmbedding(const v1::TrainingSpec::EmbeddingSpec& embedding, Errors& errors) {
  errors.Require(embedding.pooling() != v1::POOLING_UNSPECIFIED, "embedding.pooling",
                 "GLOBAL, GRID or SUMMARY");
  if (embedding.pooling() == v1::POOLING_GRID) {
    errors.Range(embedding.grid(), 1, 8, "embedding.grid");
    errors.Range(embedding.fine_grid(), 0, 8, "embedding.fine_grid");
  }
  errors.Range(embedding.dimension(), 0, 4096, "embedding.dimension");
  errors.Range(embedding.few_pairs_dimension(), 0, 4096, "embedding.few_pairs_dimension");
  errors.Require(embedding.neck() != v1::NECK_UNSPECIFIED, "embedding.neck", "NONE or BATCH_NORM");
  errors.Require(embedding.retrieval_feature() == v1::RETRIEVAL_FEATURE_POOLED ||
                     (embedding.retrieval_feature() == v1::RETRIEVAL_FEATURE_NECK &&
                      embedding.neck() == v1::NECK_BATCH_NORM),
                 "embedding.retrieval_feature", "POOLED, or NECK together with neck BATCH_NORM");
}

void CheckInput(const v1::TrainingSpec::InputSpec& input, const std::string& name, Errors& errors) {
  errors.Range(input.height(), 16, 1024, name + ".height");
  errors.Range(input.width(), 16, 1024, name + ".width");
  errors.Range(input.thicken(), 0, 8, name + ".thicken");
  errors.Require(input.work_size() == 0 || (input.work_size() >= 16 && input.work_size() <= 4096),
                 name + ".work_size", "0, or from 16 to 4096");
  errors.Require(input.filter() != v1::RESIZE_FILTER_UNSPECIFIED, name + ".filter",
                 "BILINEAR, BICUBIC or LANCZOS");
  const uint32_t shorter = input.resize_shorter();
  errors.Require(
      shorter == 0 || (shorter >= std::max(input.height(), input.width()) && shorter <= 4096),
      name + ".resize_shorter", "0, or from the larger of height and width to 4096");
}

void CheckStep(const v1::TrainingSpec::StepSpec& step, const std::string& name, Errors& errors) {
  errors.Range(step.epochs(), 0, 100000, name + ".epochs");
  if (step.epochs() == 0) return;
  errors.Range(step.batch_size(), 4, 4096, name + ".batch_size");
  errors.Require(step.learning_rate() > 0 && step.learning_rate() <= 1, name + ".learning_rate",
                 "above 0 and at most 1");
  errors.Range(step.warmup_epochs(), 0, 100000, name + ".warmup_epochs");
  errors.Require(step.encoder_rate_factor() > 0 && step.encoder_rate_factor() <= 1,
                 name + ".encoder_rate_factor", "above 0 and at most 1");
  errors.Range(step.weight_decay(), 0, 1, name + ".weight_decay");
  errors.Range(step.gradient_clip(), 0, 1e6, name + ".gradient_clip");
  errors.Range(step.attribute_factor(), 0, 1000, name + ".attribute_factor");
  errors.Range(step.accumulate(), 1, 1024, name + ".accumulate");
  errors.Require(step.source_images() == 0 || step.source_images() + 4 <= step.batch_size(),
                 name + ".source_images", "0, or leave 4 images of the batch for pairs");
}

void CheckLoss(const v1::TrainingSpec& spec, Errors& errors) {
  const auto& loss = spec.loss();
  const std::pair<const char*, double> weights[] = {
      {"identity", loss.identity()},       {"triplet", loss.triplet()},
      {"attribute", loss.attribute()},     {"attribute_entropy", loss.attribute_entropy()},
      {"consistency", loss.consistency()}, {"domain", loss.domain()},
      {"contrastive", loss.contrastive()}, {"margin", loss.margin()}};
  for (const auto& [name, value] : weights) {
    errors.Range(value, 0, 1000, absl::StrCat("loss.", name));
  }
  errors.Require(loss.label_smoothing() >= 0 && loss.label_smoothing() < 1, "loss.label_smoothing",
                 "at least 0 and below 1");
  errors.Require(loss.temperature() > 0 && loss.temperature() <= 10, "loss.temperature",
                 "above 0 and at most 10");
  errors.Require(spec.step2().epochs() == 0 || loss.identity() > 0 || loss.triplet() > 0 ||
                     loss.contrastive() > 0,
                 "loss", "above 0 in identity, triplet or contrastive, or nothing is learned");
  errors.Require(!RunsStep1(spec) || loss.triplet() == 0 || spec.step1().images_per_identity() >= 2,
                 "step1.images_per_identity",
                 "at least 2 with the triplet loss, whose positive is another image");
  errors.Require(
      !RunsStep1(spec) || loss.triplet() == 0 || spec.recipe() != v1::RECIPE_RELEASE ||
          spec.release().step1_single_image_epochs() <= spec.step1().triplet_from_epoch(),
      "release.step1_single_image_epochs",
      "at most step1.triplet_from_epoch, because the triplet loss needs another image");
}

void CheckPhotoNeighbours(const v1::TrainingSpec& spec, Errors& errors) {
  const auto neighbours = PhotoNeighboursOf(spec);
  errors.Range(neighbours.weight(), 0, 1000, "loss.photo_neighbours.weight");
  errors.Range(neighbours.triplets(), 1, 1000, "loss.photo_neighbours.triplets");
  errors.Range(neighbours.margin(), 0, 2, "loss.photo_neighbours.margin");
  errors.Require(
      neighbours.weight() == 0 || !neighbours.meta_step() || spec.step2().accumulate() == 1,
      "step2.accumulate",
      "1 with loss.photo_neighbours.meta_step, which looks at one batch after each update");
  const auto& loss = spec.loss();
  errors.Require(neighbours.weight() == 0 || !neighbours.meta_step() || loss.identity() > 0 ||
                     loss.triplet() > 0 || loss.contrastive() > 0,
                 "loss.photo_neighbours.meta_step",
                 "false without loss.identity, triplet or contrastive: its gradient is taken after "
                 "their update");
}

void CheckAugmentation(const v1::TrainingSpec::AugmentationSpec& augmentation, Errors& errors) {
  errors.Range(augmentation.crop_padding(), 0, 0.5, "augmentation.crop_padding");
  errors.Range(augmentation.rotation_degrees(), 0, 180, "augmentation.rotation_degrees");
  errors.Range(augmentation.color_jitter(), 0, 1, "augmentation.color_jitter");
  errors.Range(augmentation.flip(), 0, 1, "augmentation.flip");
  errors.Range(augmentation.pair_flip(), 0, 1, "augmentation.pair_flip");
  errors.Range(augmentation.erase(), 0, 1, "augmentation.erase");
  errors.Range(augmentation.scale(), 0, 0.9, "augmentation.scale");
  errors.Range(augmentation.warp(), 0, 0.5, "augmentation.warp");
}

void CheckPseudo(const v1::TrainingSpec::PseudoSketchSpec& pseudo, Errors& errors) {
  errors.Range(pseudo.per_photo(), 0, 64, "pseudo.per_photo");
  const std::tuple<const char*, bool, double> weights[] = {
      {"strokes", pseudo.has_strokes(), pseudo.strokes()},
      {"edges", pseudo.has_edges(), pseudo.edges()},
      {"difference_of_gaussians", pseudo.has_difference_of_gaussians(),
       pseudo.difference_of_gaussians()},
      {"pencil", pseudo.has_pencil(), pseudo.pencil()},
      {"contour", pseudo.has_contour(), pseudo.contour()}};
  bool has_style = false;
  for (const auto& [name, is_set, weight] : weights) {
    errors.Range(weight, 0, 1000, absl::StrCat("pseudo.", name));
    // Unset weights have defaults above 0.
    if (!is_set || weight > 0) has_style = true;
  }
  errors.Require(has_style, "pseudo", "above 0 in the weight of one style at least");
  errors.Range(pseudo.dropped(), 0, 0.9, "pseudo.dropped");
  errors.Range(pseudo.wobble(), 0, 0.05, "pseudo.wobble");
  errors.Require(pseudo.human_share() >= 0 && pseudo.human_share() < 1, "pseudo.human_share",
                 "at least 0 and below 1");
}

void CheckPublish(const v1::TrainingSpec::PublishSpec& publish, Errors& errors) {
  errors.Require(publish.policy() != v1::TrainingSpec::PublishSpec::POLICY_UNSPECIFIED,
                 "publish.policy", "ALWAYS, IF_BETTER or NEVER");
  errors.Range(publish.min_improvement(), 0, 1, "publish.min_improvement");
  errors.Require(publish.confidence() >= 0 && publish.confidence() < 1, "publish.confidence",
                 "at least 0 and below 1");
  const std::string& metric = publish.metric();
  errors.Require(metric == "rank1" || metric == "rank5" || metric == "rank10" || metric == "mAP",
                 "publish.metric", "rank1, rank5, rank10 or mAP");
  errors.Range(publish.reference_tolerance(), 0, 1, "publish.reference_tolerance");
  errors.Require(publish.reference_confidence() >= 0 && publish.reference_confidence() < 1,
                 "publish.reference_confidence", "at least 0 and below 1");
}

}  // namespace

std::vector<std::string> SpecErrors(const v1::TrainingSpec& resolved) {
  Errors errors;
  errors.Require(!resolved.target_dataset().empty(), "target_dataset",
                 "the folder of a data set with sketch/photo pairs");
  CheckBackbone(resolved.backbone(), errors);
  CheckNetwork(resolved, errors);
  CheckEmbedding(resolved.embedding(), errors);
  CheckInput(resolved.photo(), "photo", errors);
  CheckInput(resolved.sketch(), "sketch", errors);
  CheckStep(resolved.step1(), "step1", errors);
  CheckStep(resolved.step2(), "step2", errors);
  CheckLoss(resolved, errors);
  CheckPhotoNeighbours(resolved, errors);
  CheckAugmentation(resolved.augmentation(), errors);
  CheckPseudo(resolved.pseudo(), errors);
  errors.Range(resolved.release().step1_decay(), 0, 10, "release.step1_decay");
  errors.Range(resolved.release().step1_last_decay(), 0, 10, "release.step1_last_decay");
  errors.Range(resolved.release().step2_decay(), 0, 10, "release.step2_decay");
  errors.Range(resolved.averaging().runs(), 0, 16, "averaging.runs");
  errors.Require(resolved.averaging().start_share() >= 0 && resolved.averaging().start_share() < 1,
                 "averaging.start_share", "at least 0 and below 1");
  errors.Range(resolved.validation().fraction(), 0, 0.5, "validation.fraction");
  errors.Require(!resolved.validation().keep_best() || resolved.validation().every_epochs() > 0,
                 "validation.every_epochs", "1 or more with validation.keep_best");
  CheckPublish(resolved.publish(), errors);
  errors.Require(resolved.publish().min_queries() == 0 || resolved.validation().fraction() > 0,
                 "publish.min_queries", "0 where nothing is held back (validation.fraction)");
  errors.Require(IsDevice(resolved.device()), "device", "auto, cpu or cuda:N");
  errors.Range(resolved.workers(), 0, 256, "workers");
  errors.Range(resolved.pair_fraction(), 0, 1, "pair_fraction");
  errors.Require(resolved.attributes().empty() || !resolved.source_dataset().empty(), "attributes",
                 "empty without a source_dataset, which has them");
  errors.Range(resolved.max_unreadable(), 0, 0.5, "max_unreadable");
  errors.Require(!resolved.has_initial_version() || resolved.initial_version() > 0,
                 "initial_version", "1 or more");
  return errors.Take();
}

absl::Status WrongSpec(const std::vector<std::string>& errors) {
  if (errors.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("the spec is wrong: ", absl::StrJoin(errors, "; ")));
}

absl::Status ValidateSpec(const v1::TrainingSpec& resolved) {
  return WrongSpec(SpecErrors(resolved));
}

}  // namespace s2p
