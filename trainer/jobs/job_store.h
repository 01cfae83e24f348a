// The jobs of one trainer, on disk and in memory.
#ifndef S2P_TRAINER_JOBS_JOB_STORE_H_
#define S2P_TRAINER_JOBS_JOB_STORE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "daemon/folder_lock.h"
#include "s2p/v1/job_file.pb.h"
#include "trainer/jobs/job_events.h"

namespace s2p {

inline constexpr int kMostRounds = 300;

// A part of the list of jobs. A plain value.
struct JobPage {
  std::vector<v1::Job> jobs;
  // Empty on the last page.
  std::string next_page_token;
};

// Keeps each job in <state_dir>/jobs/<id>/: job.json (the JSON form of JobFile, replaced in one
// rename), events.jsonl, and the files of its run. Every job is also in memory, without its events;
// none is ever forgotten: it takes some kilobytes there, and in job.json. The other files of a job
// are bounded: events.jsonl by kMostEventBytes (trainer/jobs/job_events.h), the log of its epochs
// by kMostEpochLogBytes (trainer/pictures/epoch_log.h), and the number of ended jobs that have any
// by the scheduler, which calls DropFiles. A job whose job.json cannot be read is shown as FAILED,
// with the file and its error as the reason, and is never overwritten. Thread-safe; reading never
// waits for the disk.
class JobStore {
 public:
  // Creates missing folders, and removes jobs that were never acknowledged. FailedPrecondition
  // names the folder if another process has it; PermissionDenied if it cannot be written.
  static absl::StatusOr<std::unique_ptr<JobStore>> Open(const std::string& state_dir);

  // Returns a new QUEUED job, durable when this returns. ResourceExhausted when the disk is full:
  // there is no job then.
  absl::StatusOr<v1::Job> Create(const v1::TrainingSpec& spec,
                                 const v1::TrainingSpec& resolved_spec,
                                 const std::string& lineage = "");

  // NotFound naming the id.
  absl::StatusOr<v1::Job> Get(const std::string& id) const;
  absl::StatusOr<std::shared_ptr<const v1::JobFile>> GetFile(const std::string& id) const;
  // As Get, with the rounds of all jobs of its lineage, oldest first, the last kMostRounds.
  absl::StatusOr<v1::Job> GetWithRounds(const std::string& id) const;
  // Newest first, at most `page_size` of them, and fewer if they take more than 2 MiB.
  // InvalidArgument for a token that List has not given.
  absl::StatusOr<JobPage> List(size_t page_size, const std::string& page_token) const;
  // Oldest first.
  std::vector<std::shared_ptr<const v1::JobFile>> All() const;
  // The number of jobs of each state that has any.
  std::map<v1::Job::State, int64_t> Counts() const;
  // The versions that unfinished jobs start from, those that retraining on changed data would
  // start from, and those that a retry would start from, of the `most_retried` jobs that ended last
  // of the FAILED and CANCELLED ones that start from a version; ascending.
  std::vector<int64_t> NeededVersions(size_t most_retried) const;

  // Changes a job durably: others see the change when it is on the disk, or never. NotFound;
  // FailedPrecondition for a damaged job; ResourceExhausted when the disk is full.
  absl::Status Update(const std::string& id, const std::function<void(v1::JobFile&)>& change);
  // As Update, but in memory only; the next Update writes it. For progress, and for changes that a
  // full disk rejects.
  void Show(const std::string& id, const std::function<void(v1::JobFile&)>& change);

  // The job's events, opened unless they are in use already: keep them while you use them.
  // NotFound; else as JobEvents::Open.
  absl::StatusOr<std::shared_ptr<JobEvents>> Events(const std::string& id);
  // Removes all files of an ended job but job.json, which no longer names any. What cannot be
  // removed is logged and stays. Fast if there are none.
  void DropFiles(const std::string& id);
  // The job's own folder.
  std::string FolderOf(const std::string& id) const;

 private:
  struct Entry {
    // Held while the job is being changed; the store's mutex guards `file` and `events`.
    absl::Mutex changing;
    std::shared_ptr<const v1::JobFile> file;
    // Open only while in use, because each holds an open file.
    std::weak_ptr<JobEvents> events;
    bool damaged = false;
  };

  JobStore(std::string state_dir, std::unique_ptr<FolderLock> lock)
      : jobs_dir_(state_dir + "/jobs"), lock_(std::move(lock)) {}
  absl::Status ReadAll();
  void ReadOne(const std::string& id);
  absl::Status MakeFolder(const std::string& id);
  std::shared_ptr<Entry> Find(const std::string& id) const;

  const std::string jobs_dir_;
  const std::unique_ptr<FolderLock> lock_;
  mutable absl::Mutex mutex_;
  std::map<std::string, std::shared_ptr<Entry>> entries_ ABSL_GUARDED_BY(mutex_);
  std::string last_id_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace s2p

#endif  // S2P_TRAINER_JOBS_JOB_STORE_H_
