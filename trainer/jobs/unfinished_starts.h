// How often the trainer has died while it ran a job, counted from the job's progress.
#ifndef S2P_TRAINER_JOBS_UNFINISHED_STARTS_H_
#define S2P_TRAINER_JOBS_UNFINISHED_STARTS_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "s2p/v1/job_file.pb.h"

namespace s2p {

// A job is started once more after two deaths of the trainer that brought it no further, since one
// of them may have been an accident.
inline constexpr uint32_t kMostUnfinishedStarts = 3;

// Internal, saying how far the job has come, if kMostUnfinishedStarts starts of the job ended with
// the trainer's death and none of them brought it a whole epoch further than those before.
// `last_death` says what is known of the last one; it may be empty.
absl::Status CheckUnfinishedStarts(const v1::JobFile& file, absl::string_view last_death = "");

// Counts a start, before anything of it has happened.
void CountStart(v1::JobFile& file);

// Takes the latest start back, because it has not ended with the trainer's death.
void TakeBackStart(v1::JobFile& file);

// Notes a whole epoch, which resets the count if the job never came so far before. An epoch that is
// trained once more, because its state was lost, does not.
void NoteWholeEpoch(const v1::TrainingProgress& progress, v1::JobFile& file);

// The job starts from its beginning again: no epoch counts as trained any more.
void ForgetWholeEpochs(v1::JobFile& file);

}  // namespace s2p

#endif  // S2P_TRAINER_JOBS_UNFINISHED_STARTS_H_
