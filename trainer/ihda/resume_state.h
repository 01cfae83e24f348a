// The state of a training run, in a file.
#ifndef S2P_TRAINER_IHDA_RESUME_STATE_H_
#define S2P_TRAINER_IHDA_RESUME_STATE_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "trainer/ihda/run_plan.h"

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
  // The share of people's sketches that the run has chosen (trainer/ihda/human_share.h).
  double human_share = 0;
  // Where the best epoch is kept (validation.keep_best): that epoch of the present repeat, counted
  // over all repeats, its mAP and its weights, as safetensors; 0 and empty before the first
  // evaluation. And the sum of the weights that the repeats ended with, next to `sum`, which is of
  // those that were kept.
  int best_epoch = 0;
  double best_mean_average_precision = 0;
  std::string best;
  std::string last_sum;
  // The parts of run_digest, and the version that the run began with; empty in a state of an older
  // program.
  RunIdentity run{};
  // The rules by which it was trained (trainer/ihda/training_format.h), and the program that wrote
  // it (BuildText); empty in a state of an older program.
  int training_format = 1;
  std::string build{};
};

// Replaces the file in one rename, synced: after a crash it is the old one or the new one.
// ResourceExhausted when the disk is full: the old one is intact then. A state without a best epoch
// is written in format 2, which older programs resume.
absl::Status WriteResumeState(const std::string& path, const ResumeState& state);

// ResourceExhausted, with both numbers, if the disk of `path` has no room for a state of that size
// next to the present one; a disk that cannot be measured has room.
absl::Status CheckRoomForState(const std::string& path, uint64_t size_bytes);

// NotFound; DataLoss if it is damaged (it carries its SHA-256); FailedPrecondition if its
// format is newer. Formats 1, which had neither `start` nor `sum`, and 2, which had no best epoch,
// are read, too.
absl::StatusOr<ResumeState> ReadResumeState(const std::string& path);

// The same in two parts, for a state that other processes are sent: the bytes of the file, and the
// state in them; `path` is for error messages.
absl::StatusOr<std::string> ReadResumeBytes(const std::string& path);
absl::StatusOr<ResumeState> ParseResumeState(const std::string& path, const std::string& content);

}  // namespace s2p

#endif  // S2P_TRAINER_IHDA_RESUME_STATE_H_
