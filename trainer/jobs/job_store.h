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

// A part of the list of jobs.
struct JobPage {
  std::vector<v1::Job> jobs;
  // Empty on the last page.
  std::string next_page_token;
};

// Keeps each job in <state_dir>/jobs/<id>/: job.json (the JSON form of JobFile, replaced in one
// rename), events.jsonl, and whatever its run puts there. Every job is in memory too, without its
// events; none is ever forgotten. A job whose job.json cannot be read is shown as FAILED with the
// file and what is wrong with it as its reason, and is never written over. Thread-safe; reading
// never waits for the disk.
class JobStore {
 public:
  // Creates the folders where they are missing, and sweeps out jobs that were never acknowledged.
  // FailedPrecondition naming the folder if another process has it; PermissionDenied if it cannot
  // be written.
  static absl::StatusOr<std::unique_ptr<JobStore>> Open(const std::string& state_dir);

  // A new QUEUED job, durable when this returns. ResourceExhausted when the disk is full: there is
  // no job then.
  absl::StatusOr<v1::Job> Create(const v1::TrainingSpec& spec,
                                 const v1::TrainingSpec& resolved_spec,
                                 const std::string& lineage = "");

  // NotFound naming the id.
  absl::StatusOr<v1::Job> Get(const std::string& id) const;
  absl::StatusOr<std::shared_ptr<const v1::JobFile>> GetFile(const std::string& id) const;
  // Newest first, at most `page_size` of them, and fewer if they take more than 2 MiB.
  // InvalidArgument for a token that List has not given.
  absl::StatusOr<JobPage> List(size_t page_size, const std::string& page_token) const;
  // Oldest first.
  std::vector<std::shared_ptr<const v1::JobFile>> All() const;
  // How many jobs there are of each state that has any.
  std::map<v1::Job::State, int64_t> Counts() const;
  // The versions that jobs start from which have not ended, and those that retraining on changed
  // data would start from; ascending.
  std::vector<int64_t> NeededVersions() const;

  // Changes a job, durably: seen by others when it is on the disk, or not at all. NotFound;
  // FailedPrecondition for a damaged one; ResourceExhausted when the disk is full.
  absl::Status Update(const std::string& id, const std::function<void(v1::JobFile&)>& change);
  // The same in memory only; the next Update writes it. For progress, and for what a full disk
  // keeps from being written.
  void Show(const std::string& id, const std::function<void(v1::JobFile&)>& change);

  // The job's events, opened unless somebody has them: keep them while they are in use. NotFound;
  // else as JobEvents::Open.
  absl::StatusOr<std::shared_ptr<JobEvents>> Events(const std::string& id);
  // The job's own folder.
  std::string FolderOf(const std::string& id) const;

 private:
  struct Entry {
    // Held while the job is being changed; `file` and `events` are the store's mutex's.
    absl::Mutex changing;
    std::shared_ptr<const v1::JobFile> file;
    // Open for as long as somebody writes or reads them: each holds an open file.
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
