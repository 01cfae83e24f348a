// A job on disk: its id, and job.json in its folder.
#ifndef S2P_TRAINER_JOBS_JOB_FILE_H_
#define S2P_TRAINER_JOBS_JOB_FILE_H_

#include <google/protobuf/timestamp.pb.h>

#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "s2p/v1/job_file.pb.h"

namespace s2p {

// The format that this program writes, and the newest that it can read.
inline constexpr uint32_t kJobFileFormat = 1;

inline constexpr char kJobFileName[] = "job.json";

// Returns an id such as "20261123-205501-031337-3fa9c1d2": UTC to the microsecond, and 32 random
// bits so that several trainers can share a checkpoint store. Ids of one store sort in the order of
// submission: `last_id` is the newest so far (empty for the first), and a clock that has stood
// still or was set back continues from it.
std::string NewJobId(absl::Time now, absl::string_view last_id);
// Whether the text has the form of an id, and so is safe as a file name.
bool IsJobId(absl::string_view text);

// The id of the first of the jobs that retrain one model; the job's own if it is the first.
const std::string& LineageOf(const v1::JobFile& file);

// True once a job has SUCCEEDED, FAILED or been CANCELLED.
bool HasEnded(v1::Job::State state);

// True once a job has FAILED or been CANCELLED.
bool MayBeRetried(v1::Job::State state);

// Orders jobs by the time at which they ended: seconds and nanoseconds. 0 if a job has no end.
using EndTime = std::pair<int64_t, int32_t>;
EndTime EndTimeOf(const v1::Job& job);

google::protobuf::Timestamp ToProtoTime(absl::Time time);

// Makes a text fit for protobuf and people: at most 16 KiB, bytes that are not UTF-8 become '?'.
std::string ShownText(absl::string_view text);

// Replaces <folder>/job.json in one rename and syncs file and folder. ResourceExhausted when the
// disk is full; the old file is intact then.
absl::Status WriteJobFile(const std::string& folder, const v1::JobFile& file);

// Reads the file of job `id`, with its specs in their present form (trainer/spec/spec_form.h).
// NotFound; DataLoss naming file and field if it is damaged or another job's; FailedPrecondition if
// its format is newer.
absl::StatusOr<v1::JobFile> ReadJobFile(const std::string& folder, const std::string& id);

}  // namespace s2p

#endif  // S2P_TRAINER_JOBS_JOB_FILE_H_
