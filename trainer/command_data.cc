#include "absl/strings/str_cat.h"
#include "trainer/commands.h"
#include "trainer/synthetic_shoes.h"
#include "trainer/training_display.h"

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

absl::Status RunImport(const ImportOptions& options, bool terminal, std::ostream& out) {
  TrainingDisplay display(&out, terminal);
  const auto summary = ImportDataset(
      options, [&](int64_t done, int64_t total) { display.Loading("images", done, total); });
  if (!summary.ok()) return summary.status();
  out << options.out << ": " << summary->name << ", " << summary->photos << " photos and "
      << summary->sketches << " sketches; " << summary->train_identities
      << " identities to train on, " << summary->test_identities << " to test on\n";
  return absl::OkStatus();
}

}  // namespace s2p
