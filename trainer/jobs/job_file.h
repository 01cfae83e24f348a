// A job on disk: its id, its folder's job.json.
#ifndef S2P_TRAINER_JOBS_JOB_FILE_H_
#define S2P_TRAINER_JOBS_JOB_FILE_H_

#include <google/protobuf/timestamp.pb.h>

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "s2p/v1/job_file.pb.h"

namespace s2p {

// The format that this program writes, and the newest that it reads.
inline constexpr uint32_t kJobFileFormat = 1;

// "20261123-205501-031337-3fa9c1d2": UTC to the microsecond, and 32 random bits so that ids of
// several trainers can meet in one checkpoint store. Ids of one store sort as the jobs came:
// `last_id`, empty for the first, is the newest so far, and the time runs on from it where the
// clock has not (or has been set back).
std::string NewJobId(absl::Time now, absl::string_view last_id);
// Whether it looks like one: safe as a file name too.
bool IsJobId(absl::string_view text);

// The id of the first job of those that retrain one model; its own where it is the first.
const std::string& LineageOf(const v1::JobFile& file);

// True once a job has SUCCEEDED, FAILED or been CANCELLED.
bool HasEnded(v1::Job::State state);

google::protobuf::Timestamp ToProtoTime(absl::Time time);

// Text that protobuf and people can take: at most 16 KiB, bytes that are no UTF-8 replaced by '?'.
std::string ShownText(absl::string_view text);

// Replaces <folder>/job.json in one rename, synced with its folder. ResourceExhausted when the disk
// is full: the old one is intact then.
absl::Status WriteJobFile(const std::string& folder, const v1::JobFile& file);

// Reads it for the job `id`, which the file must be of. NotFound; DataLoss if it is damaged, naming
// the file and the field; FailedPrecondition if it is of a newer format.
absl::StatusOr<v1::JobFile> ReadJobFile(const std::string& folder, const std::string& id);

}  // namespace s2p

#endif  // S2P_TRAINER_JOBS_JOB_FILE_H_
