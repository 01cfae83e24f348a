// Trains again when the data have changed.
#ifndef S2P_TRAINER_JOBS_DATA_SET_WATCH_H_
#define S2P_TRAINER_JOBS_DATA_SET_WATCH_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "trainer/data/data_set_digest.h"
#include "trainer/jobs/job_scheduler.h"
#include "trainer/jobs/job_store.h"

namespace s2p {

// Follows the data sets of jobs whose spec has `watch`. Such a job and its successors are a
// lineage. A successor has the same spec and starts from the version that the lineage published
// last, or with `watch_afresh` as the first job did. It is submitted when the lineage has succeeded
// once, its newest job has ended, and a dataset.jsonl differs from the one that job started with
// and is the same in two looks. While it waits or runs nothing is submitted, so a burst of changes
// makes one job, and at most one more. Data that a job cannot be submitted on are tried again at
// each look, because images may still be on their way. A job that failed is not repeated on the
// same data; a cancelled one ends the watch. One thread only.
class DataSetWatch {
 public:
  // Both are borrowed.
  DataSetWatch(const JobStore* store, JobScheduler* scheduler)
      : store_(*store), scheduler_(*scheduler) {}

  // Looks at all data sets once and returns the ids of the submitted jobs.
  std::vector<std::string> Poll();
  // Number of times that it has read a file to see whether the data are others.
  int64_t files_read() const { return digests_.reads(); }

 private:
  // The state of one lineage.
  struct Lineage {
    std::shared_ptr<const v1::JobFile> newest;
    int64_t last_version = 0;
    bool has_succeeded = false;
  };
  // Digests of the source, and of the target with its further pairs.
  struct Digests {
    std::string source, target;
    bool operator==(const Digests& other) const {
      return source == other.source && target == other.target;
    }
  };

  std::map<std::string, Lineage> Lineages() const;
  // Whether the lineage's data differ from those of its newest job, and have settled.
  bool HasChanged(const std::string& id, const Lineage& lineage);

  const JobStore& store_;
  JobScheduler& scheduler_;
  DataSetDigestCache digests_;
  // By lineage: the data of the last look, and why they were last refused.
  std::map<std::string, Digests> seen_;
  std::map<std::string, std::string> refused_;
};

}  // namespace s2p

#endif  // S2P_TRAINER_JOBS_DATA_SET_WATCH_H_
