#include "trainer/ihda/attribute_selection.h"
#include "trainer/program/command_spec.h"
#include "trainer/program/commands.h"
#include "trainer/program/evaluation_report.h"
#include "trainer/program/training_display.h"
#include "trainer/spec/training_spec.h"

namespace s2p {
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
  out << (options.json ? AttributeSelectionJson(*selected) : AttributeSelectionTable(*selected));
  return absl::OkStatus();
}

}  // namespace s2p
