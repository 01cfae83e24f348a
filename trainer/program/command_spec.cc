#include "trainer/program/command_spec.h"

#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/message_text.h"
#include "base/status_macros.h"
#include "trainer/spec/training_spec.h"

namespace s2p {

absl::StatusOr<v1::TrainingSpec> SpecOf(const SpecOptions& options) {
  v1::TrainingSpec spec;
  if (!options.file.empty()) {
    S2P_ASSIGN_OR_RETURN(spec, ReadSpec(options.file));
  }
  if (!options.preset.empty()) spec.set_preset(options.preset);
  for (const std::string& assignment : options.set) {
    if (absl::Status status = SetMessageField(assignment, spec); !status.ok()) {
      return absl::Status(status.code(), absl::StrCat("--set ", status.message()));
    }
  }
  if (!options.device.empty()) spec.set_device(options.device);
  return ResolveSpec(spec);
}

std::string RunId(const RunPlan& plan) { return absl::StrCat("run-", plan.digest.substr(0, 12)); }

absl::StatusOr<std::string> JobFolder(const std::string& state_dir, const std::string& job_id) {
  if (state_dir.empty()) return std::string();
  const std::string folder = absl::StrCat(state_dir, "/jobs/", job_id);
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) {
    return absl::FailedPreconditionError(absl::StrCat(folder, ": ", error.message()));
  }
  return folder;
}

}  // namespace s2p
