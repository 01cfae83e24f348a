// The place of this process among those that a launcher has started to train one model.
#ifndef S2P_TRAINER_PARALLEL_LAUNCH_H_
#define S2P_TRAINER_PARALLEL_LAUNCH_H_

#include <cstdlib>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "s2p/v1/training.pb.h"

namespace s2p {

// A value.
struct Launch {
  // 0 to processes - 1.
  int rank = 0;
  int processes = 1;
  // The environment variable that `processes` comes from; empty: there is none.
  std::string size_variable{};
  // Among the processes of this machine: the number of its GPU.
  int local_rank = 0;
  // Where all processes meet: MASTER_ADDR, MASTER_PORT.
  std::string master_host{};
  int master_port = 29500;
  // torchrun's agent listens there; otherwise rank 0 does.
  bool launcher_listens = false;
  // How often the launcher has started all processes again.
  std::string restarts = "0";
  // GLOO_SOCKET_IFNAME: the network interface to use; empty: that of the machine's name.
  std::string network_interface{};
};

// Reads what torchrun, Kubeflow, SLURM or an indexed Job of Kubernetes say:
//   size  WORLD_SIZE, else with MASTER_ADDR SLURM_NTASKS
//   rank  RANK, JOB_COMPLETION_INDEX or SLURM_PROCID, the first that is set; SLURM_PROCID where
//         the size is SLURM_NTASKS
// Without MASTER_ADDR, tasks of SLURM are runs of their own, as are those of a Job without
// WORLD_SIZE. InvalidArgument naming the variable that is missing, no number or out of range.
// `get` is std::getenv.
absl::StatusOr<Launch> LaunchFromEnvironment(const std::function<const char*(const char*)>& get =
                                                 [](const char* name) {
                                                   return std::getenv(name);
                                                 });

// InvalidArgument unless the processes share the batches of the resolved spec evenly, naming each
// field that they do not, and the launch's variable.
absl::Status CheckBatchSizes(const v1::TrainingSpec& resolved, const Launch& launch);

}  // namespace s2p

#endif  // S2P_TRAINER_PARALLEL_LAUNCH_H_
