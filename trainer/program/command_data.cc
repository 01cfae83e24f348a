#include <algorithm>

#include "absl/strings/str_cat.h"
#include "trainer/data/data_set.h"
#include "trainer/data/packed_images.h"
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
  absl::Status status = Synthesize(
      shoes, [&](int64_t done, int64_t total) { display.Loading("shoes", done, total); });
  if (!status.ok()) return status;
  out << options.out << "/source and " << options.out << "/target: " << options.identities
      << " shoes each\n";
  return absl::OkStatus();
}

absl::Status RunPack(const PackOptions& options, bool terminal, std::ostream& out) {
  const auto spec = SpecOf(options.spec);
  if (!spec.ok()) return spec.status();
  const auto data_set = DataSet::Open(options.dataset);
  if (!data_set.ok()) return data_set.status();
  const auto manifest = ManifestOf(*spec, data_set->attributes());
  if (!manifest.ok()) return manifest.status();
  TrainingDisplay display(&out, terminal);
  absl::Status status = PackDataSet(
      *data_set, manifest->photo(), manifest->sketch(), std::max(1, options.threads), options.out,
      [&](int64_t done, int64_t total) { display.Loading("images", done, total); });
  if (!status.ok()) return status;
  out << options.out << ": " << data_set->images().size() << " images at the input size of preset "
      << spec->preset() << '\n';
  return absl::OkStatus();
}

absl::Status RunImport(const ImportOptions& options, bool terminal, std::ostream& out) {
  TrainingDisplay display(&out, terminal);
  const auto summary = ImportDataset(
      options, [&](int64_t done, int64_t total) { display.Loading("images", done, total); });
  if (!summary.ok()) return summary.status();
  out << options.out << ": " << summary->name << ", " << summary->photos << " photos of "
      << summary->photo_identities << " identities and " << summary->sketches << " sketches of "
      << summary->sketch_identities << "; " << summary->train_identities
      << " identities to train on, "
      << (summary->val_identities > 0 ? absl::StrCat(summary->val_identities, " to validate on, ")
                                      : "")
      << summary->test_identities << " to test on\n";
  for (const std::string& remark : summary->remarks) out << "note: " << remark << '\n';
  if (summary->passed_over > 0) {
    out << "note: " << summary->passed_over
        << " hidden files and others that systems leave behind were passed over\n";
  }
  return absl::OkStatus();
}

}  // namespace s2p
