// The ranks of one training, connected over c10d: Gloo, and NCCL where LibTorch has it.
#ifndef S2P_TRAINER_PARALLEL_PROCESS_GROUP_H_
#define S2P_TRAINER_PARALLEL_PROCESS_GROUP_H_

#include <torch/types.h>

#include <memory>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "trainer/parallel/launch.h"
#include "trainer/parallel/ranks.h"

namespace s2p {

struct ProcessGroupOptions {
  // Host name or address under which the other ranks reach this process; empty: the machine's name,
  // which containers often resolve to an address that is not theirs.
  std::string host;
  // Most that a call waits for the slowest rank, and Join for the last one. While rank 0 measures
  // and publishes, the others wait.
  absl::Duration timeout = absl::Minutes(30);
};

// Tensors on a GPU are exchanged by NCCL, or where LibTorch was built without it through main
// memory; all others by Gloo. One thread only.
class ProcessGroup : public Ranks {
 public:
  // Waits for all ranks of the launch. FailedPrecondition if the program was built without c10d and
  // Gloo; Unavailable, naming where they meet and the ranks that are missing, if not all come.
  static absl::StatusOr<std::unique_ptr<ProcessGroup>> Join(const Launch& launch,
                                                            const ProcessGroupOptions& options);
  ~ProcessGroup() override;

  int rank() const override { return launch_.rank; }
  int count() const override { return launch_.processes; }
  int local_rank() const override { return launch_.local_rank; }
  absl::Status status() const override { return status_; }
  void Sum(torch::Tensor tensor) override;
  void Broadcast(torch::Tensor tensor) override;
  torch::Tensor Gather(const torch::Tensor& mine) override;

  // Ends this rank's part; no other call may follow. If `outcome` is OK it waits until all have
  // ended theirs, and returns Unavailable if one has failed or is lost. Otherwise the ranks that
  // wait for this one fail with its message, and `outcome` is returned.
  absl::Status Leave(const absl::Status& outcome);

 private:
  // Everything of c10d's.
  struct Connection;
  ProcessGroup(const Launch& launch, std::unique_ptr<Connection> connection);
  // Runs a collective; if it throws, sets status_ and throws its message.
  void Run(absl::FunctionRef<void(Connection&)> collective);

  const Launch launch_;
  std::unique_ptr<Connection> connection_;
  absl::Status status_;
};

}  // namespace s2p

#endif  // S2P_TRAINER_PARALLEL_PROCESS_GROUP_H_
