#include "base/status_macros.h"
#include "trainer/ihda/attribute_selection.h"
#include "trainer/ihda/training_data.h"
#include "trainer/memory/run_memory.h"
#include "trainer/program/command_spec.h"
#include "trainer/program/commands.h"
#include "trainer/program/evaluation_report.h"
#include "trainer/program/training_display.h"
#include "trainer/spec/spec_errors.h"

namespace s2p {
absl::Status RunSelectAttributes(const SelectAttributesOptions& options,
                                 const std::function<bool()>& stop, bool terminal,
                                 std::ostream& out) {
  S2P_ASSIGN_OR_RETURN(const auto spec, SpecOf(options.spec));
  S2P_RETURN_IF_ERROR(ValidateSpec(spec));
  S2P_ASSIGN_OR_RETURN(const auto data_sets, OpenTrainingDataSets(spec));
  S2P_RETURN_IF_ERROR(CheckRunFits(data_sets, spec, options.measure_memory));
  TrainingDisplay display(&out, terminal && !options.json);
  AttributeSelectionOptions selection;
  selection.work_dir = options.work_dir;
  selection.threshold = options.threshold;
  selection.checkpoint_root = options.checkpoint_root;
  selection.threads = options.threads;
  selection.stop = stop;
  selection.on_progress = [&](const std::string&, const v1::TrainingProgress& progress) {
    display.Update(progress);
  };
  S2P_ASSIGN_OR_RETURN(const auto selected, SelectAttributes(spec, selection));
  out << (options.json ? AttributeSelectionJson(selected) : AttributeSelectionTable(selected));
  return absl::OkStatus();
}

}  // namespace s2p
