#include <algorithm>
#include <filesystem>
#include <set>
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
#include "trainer/import/import_plan.h"
#include "trainer/program/command_spec.h"
#include "trainer/program/commands.h"
#include "trainer/program/shell_word.h"
#include "trainer/spec/spec_errors.h"

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

// The next start would take copies among the photos for further photos.
absl::Status CheckFolders(const StartOptions& options, const std::string& data_set) {
  for (const std::string& folder : {options.photos, options.sketches}) {
    if (folder.empty()) continue;
    if (const absl::Status status = CheckOutside(data_set, folder); !status.ok()) {
      return absl::Status(
          status.code(),
          absl::StrCat(status.message(), options.work_dir.empty()
                                             ? ": with --work-dir, or another --checkpoint-root"
                                             : ": with another --work-dir"));
    }
  }
  std::error_code error;
  if (!std::filesystem::equivalent(options.photos, options.sketches, error)) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      "--sketches: is the folder of --photos; leave it out if nobody has drawn yet");
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

RunOptions RunOptionsOf(const StartOptions& options, const std::string& data_set) {
  RunOptions run;
  run.spec.preset = options.initial_weights.empty() ? kFromNothing : kWithWeights;
  run.spec.set = {absl::StrCat("target_dataset=", data_set)};
  if (!options.initial_weights.empty()) {
    run.spec.set.push_back(absl::StrCat("initial_weights=", options.initial_weights));
  }
  run.spec.set.insert(run.spec.set.end(), options.set.begin(), options.set.end());
  run.spec.device = options.device;
  run.checkpoint_root = options.checkpoint_root;
  run.state_dir = WorkDirOf(options);
  run.threads = options.threads;
  return run;
}

// Photos that nobody has drawn.
absl::StatusOr<int64_t> CountUndrawn(const std::string& data_set) {
  S2P_ASSIGN_OR_RETURN(const auto set, DataSet::Open(data_set));
  std::set<std::string> drawn;
  for (const DataSetImage& image : set.images()) {
    if (image.modality == v1::MODALITY_SKETCH) drawn.insert(image.identity);
  }
  const auto& images = set.images();
  return std::count_if(images.begin(), images.end(), [&](const DataSetImage& image) {
    return image.modality == v1::MODALITY_PHOTO && drawn.count(image.identity) == 0;
  });
}

// Leaves photos out where there are too many, unless the spec says itself how many.
absl::Status LimitPhotos(const v1::TrainingSpec& spec, const std::string& data_set, RunOptions& run,
                         std::ostream& out) {
  if (spec.has_pair_fraction() || spec.pseudo().per_photo() == 0) return absl::OkStatus();
  S2P_ASSIGN_OR_RETURN(const int64_t photos, CountUndrawn(data_set));
  if (photos <= kEnoughPhotos) return absl::OkStatus();
  out << "learning from about " << kEnoughPhotos << " of the " << photos
      << " photos that nobody has drawn: more teach little\n";
  run.spec.set.push_back(
      absl::StrFormat("pair_fraction=%.4f", static_cast<double>(kEnoughPhotos) / photos));
  return absl::OkStatus();
}

void SayWhatIsNext(const StartOptions& options, const std::string& data_set, std::ostream& out) {
  out << "next:\n"
      << "  serve it:       s2p-server --checkpoint-root " << ShellWord(options.checkpoint_root)
      << " --data-dir server\n"
      << "  add the photos: s2p gallery add --id-from path " << ShellWord(options.photos) << '\n'
      << "  when people have drawn some of them, name each sketch as its photo and put it into "
         "DRAWN/sketch:\n"
      << "                  s2p-trainer import-dataset --format folder --root DRAWN --add --out "
      << ShellWord(data_set) << '\n'
      << "                  s2p-trainer start ...   (the same command again)\n";
}

absl::Status Start(const StartOptions& options, const std::function<bool()>& stop, bool terminal,
                   std::ostream& out) {
  const SteadyTime begin = SteadyTime::Now();
  const auto elapsed = [&] {
    return absl::FormatDuration(absl::Trunc(SteadyTime::Now() - begin, absl::Seconds(1)));
  };
  const std::string data_set = absl::StrCat(WorkDirOf(options), "/data");
  S2P_RETURN_IF_ERROR(CheckFolders(options, data_set));
  RunOptions run = RunOptionsOf(options, data_set);
  S2P_ASSIGN_OR_RETURN(const auto spec, SpecOf(run.spec));
  S2P_RETURN_IF_ERROR(ValidateSpec(spec));
  out << "1 of 2: copying the photos into a data set\n";
  S2P_RETURN_IF_ERROR(ImportPhotos(options, data_set, stop, terminal, out));
  S2P_RETURN_IF_ERROR(LimitPhotos(spec, data_set, run, out));
  out << "2 of 2: drawing the photos as people might (" << elapsed()
      << " so far), learning from the pairs, publishing\n";
  S2P_RETURN_IF_ERROR(RunTraining(run, stop, terminal, out));
  out << "done in " << elapsed() << '\n';
  SayWhatIsNext(options, data_set, out);
  return absl::OkStatus();
}

}  // namespace

absl::Status RunStart(const StartOptions& options, const std::function<bool()>& stop, bool terminal,
                      std::ostream& out) {
  constexpr char kAdvice[] = "run the same command again";
  const absl::Status status = Start(options, stop, terminal, out);
  if (!absl::IsCancelled(status) || absl::StrContains(status.message(), kAdvice)) return status;
  return absl::CancelledError(absl::StrCat(status.message(), "; ", kAdvice, " to resume"));
}

}  // namespace s2p
