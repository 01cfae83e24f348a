// The state of a training run, in a file.
#ifndef S2P_TRAINER_IHDA_RESUME_STATE_H_
#define S2P_TRAINER_IHDA_RESUME_STATE_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace s2p {

// A value.
struct ResumeState {
  // The run that it belongs to: RunPlan::digest.
  std::string run_digest;
  int ihda_step = 1;
  // Whole epochs of that step, over all its repeats.
  int epochs_done = 0;
  // Updates of the repeat so far.
  int64_t updates = 0;
  // IhdaNetworks::Save().
  std::string networks;
  // The same at the start of each repeat; empty where nothing is averaged.
  std::string start;
  // Number of repeats that have ended, and the sum of their weights (WeightAverage) as safetensors.
  int repeats_ended = 0;
  std::string sum;
};

// Replaces the file in one rename, synced: after a crash it is the old one or the new one.
// ResourceExhausted when the disk is full: the old one is intact then.
absl::Status WriteResumeState(const std::string& path, const ResumeState& state);

// NotFound; DataLoss if it is damaged (it carries its SHA-256); FailedPrecondition if its
// format is newer. Format 1, which had neither `start` nor `sum`, is read, too.
absl::StatusOr<ResumeState> ReadResumeState(const std::string& path);

}  // namespace s2p

#endif  // S2P_TRAINER_IHDA_RESUME_STATE_H_
