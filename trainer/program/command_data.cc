#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "trainer/data/data_set.h"
#include "trainer/data/packed_images.h"
#include "trainer/evaluation/drawing_condition.h"
#include "trainer/program/command_spec.h"
#include "trainer/program/commands.h"
#include "trainer/program/training_display.h"
#include "trainer/shoes/synthetic_shoes.h"
#include "trainer/spec/training_spec.h"

namespace s2p {

absl::Status RunSynthesize(const SynthesizeOptions& options, bool terminal, std::ostream& out) {
  TrainingDisplay display(&out, terminal);
  SyntheticShoesOptions shoes;
  shoes.out = options.out;
  shoes.identities = options.identities;
  shoes.seed = options.seed;
  shoes.threads = options.threads;
  S2P_RETURN_IF_ERROR(Synthesize(
      shoes, [&](int64_t done, int64_t total) { display.Loading("shoes", done, total); }));
  out << options.out << "/source and " << options.out << "/target: " << options.identities
      << " shoes each\n";
  return absl::OkStatus();
}

absl::Status RunVarySketches(const VarySketchesOptions& options, std::ostream& out) {
  S2P_ASSIGN_OR_RETURN(const auto condition, ParseDrawingCondition(options.condition));
  S2P_ASSIGN_OR_RETURN(const auto data_set, DataSet::Open(options.dataset));
  S2P_RETURN_IF_ERROR(WriteUnderCondition(data_set, condition, options.out));
  out << options.out << ": " << data_set.name() << ", its sketches drawn as '" << options.condition
      << "'\n";
  return absl::OkStatus();
}

absl::Status RunPack(const PackOptions& options, const std::function<bool()>& stop, bool terminal,
                     std::ostream& out) {
  S2P_ASSIGN_OR_RETURN(const auto spec, SpecOf(options.spec));
  S2P_ASSIGN_OR_RETURN(const auto data_set, DataSet::Open(options.dataset));
  S2P_ASSIGN_OR_RETURN(const auto manifest, ManifestOf(spec, data_set.attributes()));
  TrainingDisplay display(&out, terminal);
  S2P_RETURN_IF_ERROR(PackDataSet(
      data_set, manifest.photo(), manifest.sketch(), std::max(1, options.threads), options.out,
      [&](int64_t done, int64_t total) { display.Loading("images", done, total); }, stop));
  out << options.out << ": " << data_set.images().size() << " images at the input size of preset "
      << spec.preset() << '\n';
  return absl::OkStatus();
}

absl::Status RunImport(const ImportOptions& options, const std::function<bool()>& stop,
                       bool terminal, std::ostream& out) {
  TrainingDisplay display(&out, terminal);
  const auto progress = [&](int64_t done, int64_t total) {
    display.Loading("images", done, total);
  };
  S2P_ASSIGN_OR_RETURN(const auto summary, ImportDataset(options, progress, stop));
  out << options.out << ": " << summary.name << ", " << summary.photos << " photos of "
      << summary.photo_identities << " identities and " << summary.sketches << " sketches of "
      << summary.sketch_identities << "; " << summary.train_identities
      << " identities to train on, "
      << (summary.val_identities > 0 ? absl::StrCat(summary.val_identities, " to validate on, ")
                                     : "")
      << summary.test_identities << " to test on\n";
  if (options.add) {
    out << "images added: " << summary.added << "; there already: " << summary.already_there
        << '\n';
  }
  for (const std::string& found_by : summary.identities_from) {
    out << "identities: " << found_by << '\n';
  }
  out << "split: " << summary.split_reason << '\n';
  for (const std::string& warning : summary.warnings) out << "warning: " << warning << '\n';
  for (const std::string& remark : summary.remarks) out << "note: " << remark << '\n';
  if (summary.passed_over > 0) {
    out << "note: " << summary.passed_over
        << " hidden files and others that systems leave behind were skipped\n";
  }
  return absl::OkStatus();
}

}  // namespace s2p
