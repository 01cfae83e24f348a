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

namespace {

std::string IdOf(const std::string& digest) { return absl::StrCat("run-", digest.substr(0, 12)); }

}  // namespace

std::string RunId(const RunPlan& plan) { return IdOf(plan.digest); }

absl::StatusOr<std::string> JobFolder(const std::string& state_dir, const RunPlan& plan) {
  if (state_dir.empty()) return std::string();
  const std::string folder = absl::StrCat(state_dir, "/jobs/", RunId(plan));
  const std::string older = absl::StrCat(state_dir, "/jobs/", IdOf(plan.older_digest));
  std::error_code error;
  if (!std::filesystem::exists(folder, error) &&
      std::filesystem::exists(older + "/resume", error)) {
    return older;
  }
  std::filesystem::create_directories(folder, error);
  if (error) {
    return absl::FailedPreconditionError(absl::StrCat(folder, ": ", error.message()));
  }
  return folder;
}

}  // namespace s2p
