#include <nlohmann/json.hpp>

#include "absl/strings/str_format.h"
#include "trainer/attribute_selection.h"
#include "trainer/command_spec.h"
#include "trainer/commands.h"
#include "trainer/training_display.h"
#include "trainer/training_spec.h"

namespace s2p {
namespace {

std::string ToJson(const std::vector<SelectedAttribute>& attributes) {
  nlohmann::ordered_json json;
  json["attributes"] = nlohmann::ordered_json::array();
  for (const SelectedAttribute& attribute : attributes) {
    json["attributes"].push_back({{"name", attribute.back.name},
                                  {"accuracy", attribute.back.accuracy},
                                  {"balancedAccuracy", attribute.back.balanced_accuracy},
                                  {"predictedShare", attribute.predicted_share},
                                  {"kept", attribute.kept}});
  }
  return json.dump() + "\n";
}

std::string ToTable(const std::vector<SelectedAttribute>& attributes) {
  std::string table =
      absl::StrFormat("%-34s %10s %12s %12s\n", "attribute", "predicted", "back: acc.", "balanced");
  for (const SelectedAttribute& attribute : attributes) {
    absl::StrAppendFormat(&table, "%-34s %9.1f%% %11.1f%% %11.1f%%  %s\n", attribute.back.name,
                          100 * attribute.predicted_share, 100 * attribute.back.accuracy,
                          100 * attribute.back.balanced_accuracy, attribute.kept ? "keep" : "drop");
  }
  return table;
}

}  // namespace

absl::Status RunSelectAttributes(const SelectAttributesOptions& options,
                                 const std::function<bool()>& stop, bool terminal,
                                 std::ostream& out) {
  const auto spec = SpecOf(options.spec);
  if (!spec.ok()) return spec.status();
  if (absl::Status status = ValidateSpec(*spec); !status.ok()) return status;
  TrainingDisplay display(&out, terminal && !options.json);
  AttributeSelectionOptions selection;
  selection.work_dir = options.work_dir;
  selection.threshold = options.threshold;
  selection.threads = options.threads;
  selection.stop = stop;
  selection.on_progress = [&](const std::string&, const v1::TrainingProgress& progress) {
    display.Update(progress);
  };
  const auto selected = SelectAttributes(*spec, selection);
  if (!selected.ok()) return selected.status();
  out << (options.json ? ToJson(*selected) : ToTable(*selected));
  return absl::OkStatus();
}

}  // namespace s2p
