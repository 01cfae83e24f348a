// The presets of trainer/spec/presets, compiled in: no file is needed where the program runs.
#ifndef S2P_TRAINER_SPEC_PRESETS_H_
#define S2P_TRAINER_SPEC_PRESETS_H_

#include <vector>

#include "absl/strings/string_view.h"

namespace s2p {

struct Preset {
  absl::string_view name;
  // A v1.TrainingSpec in protobuf's text format, with the fields that differ from the base.
  absl::string_view textproto;
};

// By name. Written by trainer/spec/CMakeLists.txt from trainer/spec/presets/*.textproto.
const std::vector<Preset>& Presets();

// Every preset starts from this one, which has the same format.
absl::string_view BasePreset();

}  // namespace s2p

#endif  // S2P_TRAINER_SPEC_PRESETS_H_
