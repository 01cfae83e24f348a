#include "trainer/jobs/unfinished_starts.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

namespace s2p {

absl::Status CheckUnfinishedStarts(const v1::JobFile& file, absl::string_view last_death) {
  if (file.unfinished_starts() < kMostUnfinishedStarts) return absl::OkStatus();
  const std::string reached =
      file.furthest_epoch() == 0
          ? "before the job had a whole epoch"
          : absl::StrCat("and the job came no further than step ", file.furthest_ihda_step(),
                         ", epoch ", file.furthest_epoch());
  return absl::InternalError(absl::StrCat(
      "the trainer has died ", file.unfinished_starts(), " times while it ran this job, ", reached,
      last_death.empty() ? "" : absl::StrCat("; the last time, ", last_death),
      ". It may need more memory than there is: see the system's log, lower batch_size or the size "
      "of the images, and submit it again; if the cause has been removed, retry it"));
}

void CountStart(v1::JobFile& file) { file.set_unfinished_starts(file.unfinished_starts() + 1); }

void TakeBackStart(v1::JobFile& file) {
  if (file.unfinished_starts() > 0) file.set_unfinished_starts(file.unfinished_starts() - 1);
}

void NoteWholeEpoch(const v1::TrainingProgress& progress, v1::JobFile& file) {
  const std::pair<uint32_t, uint32_t> before = {file.furthest_ihda_step(), file.furthest_epoch()};
  const std::pair<uint32_t, uint32_t> now = {progress.ihda_step(), progress.epoch()};
  if (now <= before) return;
  file.set_furthest_ihda_step(progress.ihda_step());
  file.set_furthest_epoch(progress.epoch());
  file.clear_unfinished_starts();
}

void ForgetWholeEpochs(v1::JobFile& file) {
  file.clear_furthest_ihda_step();
  file.clear_furthest_epoch();
}

}  // namespace s2p
