#include "trainer/ihda/run_digest.h"

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/sha256.h"
#include "trainer/spec/training_spec.h"

namespace s2p {

std::string RunDigest(const v1::TrainingSpec& resolved, const OpenDataSets& data_sets) {
  v1::TrainingSpec spec = resolved;
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

absl::StatusOr<std::string> RunDigest(const v1::TrainingSpec& resolved) {
  S2P_ASSIGN_OR_RETURN(const auto data_sets, OpenTrainingDataSets(resolved));
  return RunDigest(resolved, data_sets);
}

}  // namespace s2p
