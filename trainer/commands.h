// What `s2p-trainer` does, one function per command. Flags are declared in main.cc.
#ifndef S2P_TRAINER_COMMANDS_H_
#define S2P_TRAINER_COMMANDS_H_

#include <cstdint>
#include <functional>
#include <ostream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "trainer/import_dataset.h"

namespace s2p {

struct RunOptions {
  // Spec file; empty: the preset alone.
  std::string spec;
  // Overrides the spec's.
  std::string preset;
  // FIELD=VALUE, in order.
  std::vector<std::string> set;
  std::string checkpoint_root;
  // Keeps what an interrupted run has reached; empty: nothing is kept.
  std::string state_dir;
  // Overrides the spec's.
  std::string device;
  int32_t threads = 0;
};
// Trains, evaluates, publishes. Cancelled when `stop` ended it.
absl::Status RunTraining(const RunOptions& options, const std::function<bool()>& stop,
                         bool terminal, std::ostream& out);

struct EvaluateOptions {
  // Folder of one version, as checkpoints/7. Or `baseline`.
  std::string checkpoint;
  // "edge-correlation".
  std::string baseline;
  std::string dataset;
  std::string split = "test";
  std::string direction = "sketch-to-photo";
  std::string device = "auto";
  int32_t threads = 0;
  bool json = false;
};
absl::Status RunEvaluate(const EvaluateOptions& options, std::ostream& out);

struct SynthesizeOptions {
  std::string out;
  int32_t identities = 800;
  uint64_t seed = 1;
  int32_t threads = 0;
};
absl::Status RunSynthesize(const SynthesizeOptions& options, bool terminal, std::ostream& out);

absl::Status RunImport(const ImportOptions& options, bool terminal, std::ostream& out);

struct ImportCheckpointOptions {
  std::string preset;
  // What tools/convert_weights.py wrote.
  std::string in;
  std::string checkpoint_root;
  // Names of the attributes in the model's order.
  std::vector<std::string> attributes;
};
absl::Status RunImportCheckpoint(const ImportCheckpointOptions& options, std::ostream& out);

}  // namespace s2p

#endif  // S2P_TRAINER_COMMANDS_H_
