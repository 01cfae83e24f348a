#include "trainer/ihda/run_plan.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/sha256.h"
#include "trainer/spec/spec_errors.h"
#include "trainer/spec/spec_form.h"
#include "trainer/spec/training_spec.h"

namespace s2p {
namespace {

std::string Digest(v1::TrainingSpec spec, const OpenDataSets& data_sets) {
  SetFold({data_sets.held_back.folds, data_sets.held_back.fold}, spec);
  spec.clear_name();
  spec.clear_publish();
  spec.clear_watch();
  spec.clear_workers();
  spec.clear_preset();
  spec.clear_source_dataset();
  spec.clear_target_dataset();
  return Sha256(absl::StrCat(SpecDigest(spec),
                             data_sets.source ? data_sets.source->sha256() : "none",
                             data_sets.target.sha256()));
}

}  // namespace

absl::StatusOr<RunPlan> PlanRun(const v1::TrainingSpec& resolved,
                                const std::optional<HeldBack>& held_back) {
  S2P_RETURN_IF_ERROR(ValidateSpec(resolved));
  S2P_ASSIGN_OR_RETURN(auto data_sets, OpenTrainingDataSets(resolved));
  if (held_back) data_sets.held_back = *held_back;
  std::string digest = Digest(resolved, data_sets);
  return RunPlan{resolved, std::move(data_sets), std::move(digest)};
}

}  // namespace s2p
