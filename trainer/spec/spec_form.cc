#include "trainer/spec/spec_form.h"

#include "absl/strings/str_cat.h"
#include "trainer/spec/training_spec.h"

// The only file that touches deprecated fields.
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

namespace s2p {
std::vector<std::string> MovedFields(const v1::TrainingSpec& spec) {
  std::vector<std::string> moved;
  const auto note = [&moved](bool set, const char* field, const char* successor) {
    if (set) moved.push_back(absl::StrCat(field, ": has moved, use ", successor));
  };
  note(spec.step1().has_decay(), "step1.decay", "release.step1_decay");
  note(spec.step1().has_decay_from_epoch(), "step1.decay_from_epoch",
       "release.step1_decay, which begins at epoch 32");
  note(spec.step2().has_decay(), "step2.decay", "release.step2_decay");
  note(spec.step2().has_decay_from_epoch(), "step2.decay_from_epoch",
       "release.step2_decay_from_epoch");
  note(spec.validation().has_folds(), "validation.folds", "s2p-trainer cross-validate --folds");
  note(spec.validation().has_fold(), "validation.fold", "s2p-trainer cross-validate --folds");
  return moved;
}

void UpgradeSpec(v1::TrainingSpec& spec) {
  if (spec.has_step1()) {
    auto& step = *spec.mutable_step1();
    if (step.has_decay()) spec.mutable_release()->set_step1_decay(step.decay());
    step.clear_decay();
    // Nothing ever read it.
    step.clear_decay_from_epoch();
  }
  if (spec.has_step2()) {
    auto& step = *spec.mutable_step2();
    if (step.has_decay()) spec.mutable_release()->set_step2_decay(step.decay());
    if (step.has_decay_from_epoch()) {
      spec.mutable_release()->set_step2_decay_from_epoch(step.decay_from_epoch());
    }
    step.clear_decay();
    step.clear_decay_from_epoch();
  }
  if (spec.has_validation() && spec.validation().folds() == 0) {
    spec.mutable_validation()->clear_folds();
    spec.mutable_validation()->clear_fold();
  }
}

namespace {

// Drops what the first programs did not know where it changes nothing.
void DropWhatChangesNothing(v1::TrainingSpec::InputSpec& input) {
  const bool scale_matters = input.edges() || input.thicken() > 0;
  if (!scale_matters || input.work_size() == 0) input.clear_work_size();
  if (!input.fit() || !input.measured_ground()) input.clear_measured_ground();
  if (input.resize_shorter() == 0) input.clear_resize_shorter();
  if (input.normalization() == v1::NORMALIZATION_IMAGENET) input.clear_normalization();
}

// True if an epoch of step 1 has a rate that the first programs did not know: they gave a tenth to
// all from epoch 102 on.
bool EndsStep1Otherwise(const v1::TrainingSpec& spec) {
  return spec.recipe() == v1::RECIPE_RELEASE && spec.step1().epochs() > 102 &&
         spec.release().has_step1_last_decay() && spec.release().step1_last_decay() != 0.1;
}

}  // namespace

v1::TrainingSpec FirstForm(const v1::TrainingSpec& spec) {
  v1::TrainingSpec first = spec;
  first.clear_release();
  if (first.embedding().few_pairs_dimension() == 0 && first.has_embedding()) {
    first.mutable_embedding()->clear_few_pairs_dimension();
  }
  if (first.has_photo()) DropWhatChangesNothing(*first.mutable_photo());
  if (first.has_sketch()) DropWhatChangesNothing(*first.mutable_sketch());
  const auto& release = spec.release();
  if (release.step1_single_image_epochs() > 0) {
    first.mutable_release()->set_step1_single_image_epochs(release.step1_single_image_epochs());
  }
  if (EndsStep1Otherwise(spec)) {
    first.mutable_release()->set_step1_last_decay(release.step1_last_decay());
  }
  first.mutable_step1()->set_decay(release.has_step1_decay() ? release.step1_decay() : 1);
  first.mutable_step1()->set_decay_from_epoch(0);
  first.mutable_step2()->set_decay(release.has_step2_decay() ? release.step2_decay() : 1);
  first.mutable_step2()->set_decay_from_epoch(release.step2_decay_from_epoch());
  SetFold(FoldOf(spec), first);
  first.set_channels_last(IsChannelsLast(spec));
  return first;
}

SpecFold FoldOf(const v1::TrainingSpec& spec) {
  return {spec.validation().folds(), spec.validation().fold()};
}

void SetFold(const SpecFold& fold, v1::TrainingSpec& spec) {
  spec.mutable_validation()->set_folds(fold.folds);
  spec.mutable_validation()->set_fold(fold.fold);
}

}  // namespace s2p
