// Where a training run stands, in a file.
#ifndef S2P_TRAINER_RESUME_STATE_H_
#define S2P_TRAINER_RESUME_STATE_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace s2p {

// A value.
struct ResumeState {
  // Which run it is of: IhdaTrainer::run_digest().
  std::string run_digest;
  int ihda_step = 1;
  // Whole epochs of that step.
  int epochs_done = 0;
  // Updates of that step.
  int64_t iteration = 0;
  // IhdaNetworks::Save().
  std::string networks;
};

// Replaces the file in one rename, synced: after a crash it is the old one or the new one.
// ResourceExhausted when the disk is full: the old one is intact then.
absl::Status WriteResumeState(const std::string& path, const ResumeState& state);

// NotFound; DataLoss if it is damaged (it carries its SHA-256); FailedPrecondition if it is of a
// newer format.
absl::StatusOr<ResumeState> ReadResumeState(const std::string& path);

}  // namespace s2p

#endif  // S2P_TRAINER_RESUME_STATE_H_
