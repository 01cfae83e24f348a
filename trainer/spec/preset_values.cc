#include "trainer/spec/preset_values.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/message_text.h"
#include "base/status_macros.h"
#include "trainer/spec/presets.h"
#include "trainer/spec/training_spec.h"

namespace s2p {
namespace {

constexpr char kDefaultPreset[] = "shoes";

}  // namespace

absl::StatusOr<v1::TrainingSpec> PresetValues(const v1::TrainingSpec& spec) {
  const std::string name = spec.preset().empty() ? kDefaultPreset : spec.preset();
  for (const Preset& preset : Presets()) {
    if (name != preset.name) continue;
    v1::TrainingSpec values, differing;
    S2P_RETURN_IF_ERROR(ParseMessageText(std::string(BasePreset()), "base preset", values));
    S2P_RETURN_IF_ERROR(
        ParseMessageText(std::string(preset.textproto), absl::StrCat("preset ", name), differing));
    values.MergeFrom(differing);
    values.set_preset(name);
    return values;
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "preset: there is none called ", name, "; known are ", absl::StrJoin(PresetNames(), ", ")));
}

}  // namespace s2p
