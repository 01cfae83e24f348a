#include "trainer/ihda/run_plan.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/sha256.h"
#include "model/weights/weight_files.h"
#include "trainer/data/data_set_digest.h"
#include "trainer/spec/spec_errors.h"
#include "trainer/spec/spec_form.h"
#include "trainer/spec/training_spec.h"

namespace s2p {
namespace {

std::string OlderDigest(v1::TrainingSpec spec, const OpenDataSets& data_sets) {
  SetFold({data_sets.held_back.folds, data_sets.held_back.fold}, spec);
  spec.clear_name();
  spec.clear_publish();
  spec.clear_watch();
  spec.clear_workers();
  spec.clear_preset();
  spec.clear_source_dataset();
  spec.clear_target_dataset();
  spec.clear_pairs_dataset();
  spec.clear_watch_afresh();
  return Sha256(absl::StrCat(SpecDigest(spec),
                             data_sets.source ? data_sets.source->sha256() : "none",
                             data_sets.target.sha256()));
}

absl::StatusOr<RunContents> ContentsOf(const v1::TrainingSpec& spec, const OpenDataSets& data_sets,
                                       const std::function<bool()>& stop) {
  RunContents contents;
  if (!spec.initial_weights().empty()) {
    S2P_ASSIGN_OR_RETURN(contents.initial_weights_sha256, WeightsDigest(spec.initial_weights()));
  }
  if (data_sets.source) {
    S2P_ASSIGN_OR_RETURN(contents.source_images_sha256,
                         ImagesDigest(*data_sets.source, /*threads=*/0, stop));
  }
  S2P_ASSIGN_OR_RETURN(contents.target_images_sha256,
                       ImagesDigest(data_sets.target, /*threads=*/0, stop));
  return contents;
}

}  // namespace

absl::StatusOr<RunPlan> PlanRun(const v1::TrainingSpec& resolved,
                                const std::optional<HeldBack>& held_back,
                                const std::function<bool()>& stop) {
  S2P_RETURN_IF_ERROR(ValidateSpec(resolved));
  S2P_ASSIGN_OR_RETURN(auto data_sets, OpenTrainingDataSets(resolved));
  if (held_back) data_sets.held_back = *held_back;
  S2P_ASSIGN_OR_RETURN(auto contents, ContentsOf(resolved, data_sets, stop));
  std::string older_digest = OlderDigest(resolved, data_sets);
  std::string digest =
      Sha256(absl::StrCat(older_digest, " ", contents.initial_weights_sha256, " ",
                          contents.source_images_sha256, " ", contents.target_images_sha256));
  return RunPlan{resolved, std::move(data_sets), std::move(digest), std::move(contents),
                 std::move(older_digest)};
}

}  // namespace s2p
