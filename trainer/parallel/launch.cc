#include "trainer/parallel/launch.h"

#include <cstdint>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "trainer/spec/training_spec.h"

namespace s2p {
namespace {

constexpr int kMostProcesses = 65536;

// The variables of one process.
class Environment {
 public:
  explicit Environment(const std::function<const char*(const char*)>& get) : get_(get) {}

  std::string Text(const char* name) const {
    const char* value = get_(name);
    return value == nullptr ? "" : value;
  }
  bool Has(const char* name) const { return !Text(name).empty(); }
  // The first of them that is set; null: none is.
  const char* First(const std::vector<const char*>& names) const {
    for (const char* name : names) {
      if (Has(name)) return name;
    }
    return nullptr;
  }
  // `otherwise` if it is not set.
  absl::StatusOr<int> Number(const char* name, int least, int most, int otherwise) const {
    const std::string text = Text(name);
    if (text.empty()) return otherwise;
    int number = 0;
    if (absl::SimpleAtoi(text, &number) && number >= least && number <= most) return number;
    return absl::InvalidArgumentError(absl::StrCat("environment variable ", name, ": '", text,
                                                   "' is not a number from ", least, " to ", most));
  }

 private:
  const std::function<const char*(const char*)>& get_;
};

absl::Status Missing(const std::string& what, const std::string& because) {
  return absl::InvalidArgumentError(absl::StrCat("environment variable ", what,
                                                 ": is not set, but ", because,
                                                 "; docs/howto/train_on_several_machines.md lists "
                                                 "what each launcher sets"));
}

// Reads where the processes meet.
absl::Status ReadMeetingPlace(const Environment& environment, Launch& launch) {
  launch.master_host = environment.Text("MASTER_ADDR");
  if (launch.master_host.empty()) {
    return Missing("MASTER_ADDR", absl::StrCat(launch.size_variable, " is ", launch.processes));
  }
  S2P_ASSIGN_OR_RETURN(launch.master_port,
                       environment.Number("MASTER_PORT", 1, 65535, launch.master_port));
  launch.launcher_listens = environment.Text("TORCHELASTIC_USE_AGENT_STORE") == "True";
  if (environment.Has("TORCHELASTIC_RESTART_COUNT")) {
    launch.restarts = environment.Text("TORCHELASTIC_RESTART_COUNT");
  }
  launch.network_interface = environment.Text("GLOO_SOCKET_IFNAME");
  const char* local = environment.First({"LOCAL_RANK", "SLURM_LOCALID"});
  if (local == nullptr) return absl::OkStatus();
  S2P_ASSIGN_OR_RETURN(launch.local_rank, environment.Number(local, 0, kMostProcesses - 1, 0));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Launch> LaunchFromEnvironment(const std::function<const char*(const char*)>& get) {
  const Environment environment(get);
  Launch launch;
  if (environment.Has("WORLD_SIZE")) {
    launch.size_variable = "WORLD_SIZE";
  } else if (environment.Has("MASTER_ADDR") && environment.Has("SLURM_NTASKS")) {
    launch.size_variable = "SLURM_NTASKS";
  } else {
    return launch;
  }
  S2P_ASSIGN_OR_RETURN(launch.processes,
                       environment.Number(launch.size_variable.c_str(), 1, kMostProcesses, 1));
  if (launch.processes == 1) return launch;
  const char* rank = launch.size_variable == "SLURM_NTASKS"
                         ? environment.First({"SLURM_PROCID"})
                         : environment.First({"RANK", "JOB_COMPLETION_INDEX", "SLURM_PROCID"});
  if (rank == nullptr) {
    return Missing(launch.size_variable == "SLURM_NTASKS" ? "SLURM_PROCID" : "RANK",
                   absl::StrCat(launch.size_variable, " is ", launch.processes));
  }
  S2P_ASSIGN_OR_RETURN(launch.rank, environment.Number(rank, 0, launch.processes - 1, 0));
  S2P_RETURN_IF_ERROR(ReadMeetingPlace(environment, launch));
  return launch;
}

absl::Status CheckBatchSizes(const v1::TrainingSpec& resolved, const Launch& launch) {
  std::vector<std::string> wrong;
  const auto check = [&](const char* field, uint32_t size) {
    if (size % static_cast<uint32_t>(launch.processes) == 0) return;
    wrong.push_back(absl::StrCat(field, ": ", size, " is not a multiple of ", launch.size_variable,
                                 ", ", launch.processes));
  };
  if (RunsStep1(resolved)) check("step1.batch_size", resolved.step1().batch_size());
  if (resolved.step2().epochs() > 0) check("step2.batch_size", resolved.step2().batch_size());
  if (wrong.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(absl::StrJoin(wrong, "; "), ": the processes share each batch evenly"));
}

}  // namespace s2p
