#include "trainer/jobs/data_set_watch.h"

#include <algorithm>

#include "daemon/log.h"
#include "trainer/jobs/job_file.h"
#include "trainer/spec/ignored_fields.h"

namespace s2p {

std::map<std::string, DataSetWatch::Lineage> DataSetWatch::Lineages() const {
  std::map<std::string, Lineage> lineages;
  for (const auto& file : store_.All()) {
    const v1::Job& job = file->job();
    Lineage& lineage = lineages[LineageOf(*file)];
    lineage.newest = file;
    // A job that was retried may have published after a later one.
    lineage.last_version = std::max(lineage.last_version, job.published_version());
    if (job.state() == v1::Job::STATE_SUCCEEDED) lineage.has_succeeded = true;
  }
  return lineages;
}

bool DataSetWatch::HasChanged(const std::string& id, const Lineage& lineage) {
  const v1::Job& job = lineage.newest->job();
  auto source = digests_.Of(job.resolved_spec().source_dataset());
  auto target =
      digests_.Of(job.resolved_spec().target_dataset(), job.resolved_spec().pairs_dataset());
  // The file is being replaced or is gone: there is nothing to train on.
  if (!source.ok() || !target.ok()) {
    seen_.erase(id);
    return false;
  }
  const Digests now = {*std::move(source), *std::move(target)};
  const Digests trained = {lineage.newest->source_dataset_sha256(),
                           lineage.newest->target_dataset_sha256()};
  if (now == trained) {
    seen_.erase(id);
    refused_.erase(id);
    return false;
  }
  const auto seen = seen_.find(id);
  if (seen != seen_.end() && seen->second == now) return true;
  seen_[id] = now;
  return false;
}

std::vector<std::string> DataSetWatch::Poll() {
  std::vector<std::string> submitted;
  for (const auto& [id, lineage] : Lineages()) {
    const v1::Job& job = lineage.newest->job();
    if (!job.resolved_spec().watch() || !lineage.has_succeeded || !HasEnded(job.state()) ||
        job.state() == v1::Job::STATE_CANCELLED || !HasChanged(id, lineage)) {
      continue;
    }
    v1::TrainingSpec spec = job.spec();
    if (lineage.last_version > 0 && !spec.watch_afresh()) {
      spec.set_initial_version(lineage.last_version);
    }
    ClearIgnoredFields(spec);
    const auto follower = scheduler_.Submit(spec, id);
    if (follower.ok()) {
      LogInfo("trains again: the data have changed",
              {{"job", follower->job_id()}, {"lineage", id}});
      submitted.push_back(follower->job_id());
      seen_.erase(id);
      refused_.erase(id);
      continue;
    }
    // Tried again at the next look: images may still be on their way. Said once.
    std::string& refused = refused_[id];
    const std::string reason(follower.status().message());
    if (refused != reason) {
      LogWarning("cannot train again on the changed data",
                 {{"lineage", id}, {"reason", follower.status()}});
    }
    refused = reason;
  }
  return submitted;
}

}  // namespace s2p
