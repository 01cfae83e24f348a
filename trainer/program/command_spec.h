// The spec that a command line describes, and the folder where its run is kept.
#ifndef S2P_TRAINER_PROGRAM_COMMAND_SPEC_H_
#define S2P_TRAINER_PROGRAM_COMMAND_SPEC_H_

#include <string>

#include "absl/status/statusor.h"
#include "s2p/v1/training.pb.h"
#include "trainer/ihda/run_plan.h"
#include "trainer/program/commands.h"

namespace s2p {

// File, preset and overrides, resolved. InvalidArgument or NotFound naming file, flag or field.
absl::StatusOr<v1::TrainingSpec> SpecOf(const SpecOptions& options);

// The id of a run in the foreground: the same spec and data have the same one.
std::string RunId(const RunPlan& plan);

// <state_dir>/jobs/<id>, made; empty without a state folder. If only an older program has begun the
// run, it is that one's folder, named after RunPlan::older_digest.
absl::StatusOr<std::string> JobFolder(const std::string& state_dir, const RunPlan& plan);

}  // namespace s2p

#endif  // S2P_TRAINER_PROGRAM_COMMAND_SPEC_H_
