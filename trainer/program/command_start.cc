#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "base/status_macros.h"
#include "base/steady_time.h"
#include "trainer/data/data_set.h"
#include "trainer/import/import_dataset.h"
#include "trainer/program/commands.h"

namespace s2p {
namespace {

constexpr char kWithWeights[] = "day-one";
constexpr char kFromNothing[] = "day-one-from-nothing";
// The start is fitted to no more photos (kMostStartImages), and pseudo-sketches of others teach
// little.
constexpr int64_t kEnoughPhotos = 1500;

std::string WorkDirOf(const StartOptions& options) {
  return options.work_dir.empty() ? absl::StrCat(options.checkpoint_root, "/day-one")
                                  : options.work_dir;
}

// Copies what is new, and says how the folders were understood.
absl::Status ImportPhotos(const StartOptions& options, const std::string& data_set,
                          const std::function<bool()>& stop, bool terminal, std::ostream& out) {
  ImportOptions import;
  import.format = "photos";
  import.root = options.photos;
  import.unpaired_sketches = options.sketches;
  import.out = data_set;
  import.add = true;
  return RunImport(import, stop, terminal, out);
}

absl::StatusOr<int64_t> CountPhotos(const std::string& data_set) {
  S2P_ASSIGN_OR_RETURN(const auto set, DataSet::Open(data_set));
  const auto& images = set.images();
  return std::count_if(images.begin(), images.end(), [](const DataSetImage& image) {
    return image.modality == v1::MODALITY_PHOTO;
  });
}

bool IsSet(const std::vector<std::string>& assignments, absl::string_view field) {
  return std::any_of(assignments.begin(), assignments.end(), [&](const std::string& assignment) {
    return absl::StartsWith(assignment, absl::StrCat(field, "="));
  });
}

RunOptions RunOptionsOf(const StartOptions& options, const std::string& data_set, int64_t photos,
                        std::ostream& out) {
  RunOptions run;
  run.spec.preset = options.initial_weights.empty() ? kFromNothing : kWithWeights;
  run.spec.set = {absl::StrCat("target_dataset=", data_set)};
  if (!options.initial_weights.empty()) {
    run.spec.set.push_back(absl::StrCat("initial_weights=", options.initial_weights));
  }
  if (photos > kEnoughPhotos && !IsSet(options.set, "pair_fraction")) {
    out << "learning from about " << kEnoughPhotos << " of the photos: more teach little\n";
    run.spec.set.push_back(
        absl::StrFormat("pair_fraction=%.4f", static_cast<double>(kEnoughPhotos) / photos));
  }
  run.spec.set.insert(run.spec.set.end(), options.set.begin(), options.set.end());
  run.spec.device = options.device;
  run.checkpoint_root = options.checkpoint_root;
  run.state_dir = WorkDirOf(options);
  run.threads = options.threads;
  return run;
}

void SayWhatIsNext(const StartOptions& options, const std::string& data_set, std::ostream& out) {
  out << "next:\n"
      << "  serve it:       s2p-server --checkpoint-root " << options.checkpoint_root
      << " --data-dir server\n"
      << "  add the photos: s2p gallery add --id-from path " << options.photos << '\n'
      << "  when people have drawn some of them, name each sketch as its photo and put it into "
         "DRAWN/sketch:\n"
      << "                  s2p-trainer import-dataset --format folder --root DRAWN --add --out "
      << data_set << '\n'
      << "                  s2p-trainer start ...   (the same command again)\n";
}

}  // namespace

absl::Status RunStart(const StartOptions& options, const std::function<bool()>& stop, bool terminal,
                      std::ostream& out) {
  const SteadyTime begin = SteadyTime::Now();
  const auto elapsed = [&] {
    return absl::FormatDuration(absl::Trunc(SteadyTime::Now() - begin, absl::Seconds(1)));
  };
  const std::string data_set = absl::StrCat(WorkDirOf(options), "/data");
  out << "1 of 2: copying the photos into a data set\n";
  S2P_RETURN_IF_ERROR(ImportPhotos(options, data_set, stop, terminal, out));
  if (stop()) return absl::CancelledError("stopped; run the same command again to resume");
  S2P_ASSIGN_OR_RETURN(const int64_t photos, CountPhotos(data_set));
  out << "2 of 2: drawing the photos as people might (" << elapsed()
      << " so far), learning from the pairs, publishing\n";
  S2P_RETURN_IF_ERROR(
      RunTraining(RunOptionsOf(options, data_set, photos, out), stop, terminal, out));
  out << "done in " << elapsed() << '\n';
  SayWhatIsNext(options, data_set, out);
  return absl::OkStatus();
}

}  // namespace s2p
