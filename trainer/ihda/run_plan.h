// A training run that can start.
#ifndef S2P_TRAINER_IHDA_RUN_PLAN_H_
#define S2P_TRAINER_IHDA_RUN_PLAN_H_

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "s2p/v1/training.pb.h"
#include "trainer/ihda/training_data.h"

namespace s2p {

// A value.
struct RunPlan {
  // Resolved and valid.
  v1::TrainingSpec spec;
  OpenDataSets data_sets;
  // SHA-256, lower-case hex, of what decides the weights: the spec without its name, paths and
  // publishing, and the lists of the data sets. Two runs with the same digest end with the same
  // weights, so either may resume the other's state.
  std::string digest;
};

// Checks the spec and reads the lists of its data sets, but no image. InvalidArgument naming every
// wrong field; else as OpenTrainingDataSets. `held_back` wins over the spec's.
absl::StatusOr<RunPlan> PlanRun(const v1::TrainingSpec& resolved,
                                const std::optional<HeldBack>& held_back = {});

}  // namespace s2p

#endif  // S2P_TRAINER_IHDA_RUN_PLAN_H_
