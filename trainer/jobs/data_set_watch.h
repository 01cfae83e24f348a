// Trains again when the data have changed.
#ifndef S2P_TRAINER_JOBS_DATA_SET_WATCH_H_
#define S2P_TRAINER_JOBS_DATA_SET_WATCH_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "trainer/jobs/job_scheduler.h"
#include "trainer/jobs/job_store.h"

namespace s2p {

// Follows the data sets of jobs whose spec says `watch`. Such a job and those that came of it are a
// lineage. When a lineage has succeeded once, its newest job has ended, and the content of a
// dataset.jsonl is another than that job began with, in two looks the same, then one job is
// submitted: the same spec, starting from the version that the lineage published last. While that
// job waits or runs nothing is submitted, so that a burst of changes makes one job, and at most one
// more. A job that failed is not repeated on the same data; a cancelled one ends the watch. One
// thread only.
class DataSetWatch {
 public:
  // Both are borrowed.
  DataSetWatch(const JobStore* store, JobScheduler* scheduler)
      : store_(*store), scheduler_(*scheduler) {}

  // One look at all of them; the ids of the jobs that it submitted.
  std::vector<std::string> Poll();

 private:
  // What a lineage's jobs have come to.
  struct Lineage {
    std::shared_ptr<const v1::JobFile> newest;
    int64_t last_version = 0;
    bool has_succeeded = false;
  };
  // Source and target.
  struct Digests {
    std::string source, target;
    bool operator==(const Digests& other) const {
      return source == other.source && target == other.target;
    }
  };

  std::map<std::string, Lineage> Lineages() const;
  // Whether the lineage's data differ from what its newest job began with, and have settled.
  bool HasChanged(const std::string& id, const Lineage& lineage);

  const JobStore& store_;
  JobScheduler& scheduler_;
  // By lineage: what the last look saw, and what cannot be trained on.
  std::map<std::string, Digests> seen_;
  std::map<std::string, Digests> refused_;
};

}  // namespace s2p

#endif  // S2P_TRAINER_JOBS_DATA_SET_WATCH_H_
