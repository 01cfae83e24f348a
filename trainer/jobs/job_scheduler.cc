#include "trainer/jobs/job_scheduler.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/status_macros.h"
#include "base/utf8.h"
#include "daemon/log.h"
#include "trainer/data/data_set_digest.h"
#include "trainer/jobs/job_file.h"
#include "trainer/jobs/unfinished_starts.h"

namespace s2p {
namespace {

// The longest reason of a round; a client gets some hundred rounds at once.
constexpr size_t kMostRoundBytes = 1024;

absl::Status HasEndedError(const v1::Job& job) {
  return absl::FailedPreconditionError(absl::StrCat(
      "job_id: ", job.job_id(), " has ended already: ", v1::Job::State_Name(job.state())));
}

// The label of the metric of published models.
const char* ResultOf(const JobOutcome& outcome) {
  if (outcome.published_version != 0) return "published";
  switch (outcome.result) {
    case JobResult::kJudged:
      return "kept_back";
    case JobResult::kNotAsked:
      return "not_asked";
    case JobResult::kNotTrained:
      return "not_trained";
  }
  return "kept_back";
}

// The state after a run with this status that was neither paused nor interrupted.
v1::Job::State EndState(const absl::Status& status, bool cancelled) {
  if (status.ok()) return v1::Job::STATE_SUCCEEDED;
  return cancelled ? v1::Job::STATE_CANCELLED : v1::Job::STATE_FAILED;
}

// The round of a job whose other fields are those of its end.
v1::TrainingRound RoundOf(const v1::Job& job, v1::TrainingRound round) {
  round.set_job_id(job.job_id());
  *round.mutable_ended_at() = job.ended_at();
  round.set_published_version(job.published_version());
  const absl::string_view reason = absl::string_view(job.reason()).substr(0, kMostRoundBytes);
  round.set_reason(std::string(reason.substr(0, ValidUtf8Length(reason))));
  return round;
}

void Finish(v1::Job& job, const absl::StatusOr<JobOutcome>& outcome, bool cancelled,
            absl::Time now) {
  job.set_state(EndState(outcome.status(), cancelled));
  *job.mutable_ended_at() = ToProtoTime(now);
  if (!outcome.ok()) {
    job.set_reason(cancelled ? "cancelled" : ShownText(outcome.status().message()));
    return;
  }
  job.set_reason(ShownText(outcome->reason));
  job.set_published_version(outcome->published_version);
  job.set_learning_curve_file(outcome->learning_curve_file);
  if (outcome->round.has_value()) *job.add_rounds() = RoundOf(job, *outcome->round);
  if (outcome->evaluations.empty()) return;
  *job.mutable_evaluations() = {outcome->evaluations.begin(), outcome->evaluations.end()};
}

// As submitted, but with the progress that it has made.
void QueueAgain(v1::JobFile& file) {
  v1::Job& job = *file.mutable_job();
  job.set_state(v1::Job::STATE_QUEUED);
  job.clear_reason();
  job.clear_started_at();
  job.clear_ended_at();
  file.clear_cancel_requested();
  file.clear_unfinished_starts();
  ForgetWholeEpochs(file);
}

}  // namespace

absl::StatusOr<std::unique_ptr<JobScheduler>> JobScheduler::Create(
    const JobSchedulerOptions& options, JobStore* store, JobRunner* runner,
    TrainerMetrics* metrics) {
  if (options.max_running < 1 || options.max_running > 64) {
    return absl::InvalidArgumentError(
        absl::StrCat("max_running: ", options.max_running, " is not in 1 to 64"));
  }
  if (options.retry_pause < absl::ZeroDuration()) {
    return absl::InvalidArgumentError("retry_pause: is negative");
  }
  std::unique_ptr<JobScheduler> scheduler(new JobScheduler(options, store, runner, metrics));
  scheduler->Recover();
  return scheduler;
}

JobScheduler::~JobScheduler() { Stop(); }

void JobScheduler::Recover() {
  for (const auto& file : store_.All()) {
    const v1::Job& job = file->job();
    // The process may have died after the job's end was kept and before its state was removed.
    if (job.state() == v1::Job::STATE_SUCCEEDED) runner_.DropState(store_.FolderOf(job.job_id()));
    if (HasEnded(job.state())) continue;
    const bool is_new = job.state() == v1::Job::STATE_QUEUED && !job.has_started_at();
    {
      absl::MutexLock lock(&mutex_);
      queue_.emplace(is_new, job.job_id());
    }
    if (job.state() == v1::Job::STATE_QUEUED) continue;
    const auto queue = [](v1::JobFile& changed) {
      changed.mutable_job()->set_state(v1::Job::STATE_QUEUED);
      changed.mutable_job()->clear_reason();
    };
    // If the disk is full, its old content means the same at the next start.
    if (!store_.Update(job.job_id(), queue).ok()) store_.Show(job.job_id(), queue);
    ReporterOf(job.job_id())
        .OnState(v1::Job::STATE_QUEUED, "resumes where the trainer was interrupted");
  }
  absl::MutexLock lock(&ended_mutex_);
  DropOldStates();
  DropOldFiles();
}

void JobScheduler::Start() {
  for (int i = 0; i < options_.max_running; ++i) threads_.emplace_back([this] { Work(); });
}

absl::StatusOr<v1::Job> JobScheduler::Submit(const v1::TrainingSpec& spec,
                                             const std::string& lineage) {
  const absl::Status stopping = absl::UnavailableError("the trainer is shutting down");
  if (stopping_) return stopping;
  S2P_ASSIGN_OR_RETURN(const auto resolved, runner_.Check(spec));
  if (stopping_) return stopping;
  S2P_ASSIGN_OR_RETURN(auto job, store_.Create(spec, resolved, lineage));
  // Reported before the job is queued, so that this is the first event.
  ReporterOf(job.job_id()).OnState(v1::Job::STATE_QUEUED, "queued");
  absl::MutexLock lock(&mutex_);
  queue_.emplace(true, job.job_id());
  return job;
}

void JobScheduler::Work() {
  for (;;) {
    std::string id;
    std::shared_ptr<Active> active;
    {
      absl::MutexLock lock(&mutex_);
      const auto something = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
        return stopping_ || !queue_.empty();
      };
      mutex_.Await(absl::Condition(&something));
      if (stopping_) return;
      id = queue_.begin()->second;
      queue_.erase(queue_.begin());
      active = active_[id] = std::make_shared<Active>();
    }
    RunJob(id, *active);
    {
      absl::MutexLock lock(&mutex_);
      active_.erase(id);
    }
    options_.reporter.on_event();
  }
}

void JobScheduler::RunJob(const std::string& id, Active& active) {
  JobReporter reporter = ReporterOf(id);
  std::string last_death;
  for (;;) {
    const auto file = store_.GetFile(id);
    if (!file.ok()) return;
    // Cancelled before a crash.
    if ((*file)->cancel_requested()) active.cancel = true;
    const auto outcome = Attempt(**file, active, last_death, reporter);
    const bool cancelled = absl::IsCancelled(outcome.status()) && active.cancel;
    const bool interrupted = absl::IsCancelled(outcome.status()) && !cancelled && stopping_;
    if (interrupted) return Interrupt(id);
    if (absl::IsAborted(outcome.status())) {
      last_death = std::string(outcome.status().message());
      reporter.OnMessage(last_death);
      if (stopping_) return;
      continue;
    }
    if (!absl::IsResourceExhausted(outcome.status())) {
      return End(id, outcome, cancelled, active, reporter);
    }
    Pause(id, outcome.status(), reporter);
    if (!WaitToRetry(active, /*heed_cancel=*/true)) return;
  }
}

absl::StatusOr<JobOutcome> JobScheduler::Attempt(const v1::JobFile& file, Active& active,
                                                 const std::string& last_death,
                                                 JobReporter& reporter) {
  if (active.cancel) return absl::CancelledError("before it started");
  const std::string& id = file.job().job_id();
  S2P_RETURN_IF_ERROR(CheckUnfinishedStarts(file, last_death));
  S2P_RETURN_IF_ERROR(MarkStarted(file));
  reporter.OnState(v1::Job::STATE_RUNNING, file.job().has_started_at() ? "resumed" : "started");
  S2P_ASSIGN_OR_RETURN(const auto job, store_.Get(id));
  return runner_.Run(job, store_.FolderOf(id), ObserverOf(id, active, reporter));
}

absl::Status JobScheduler::MarkStarted(const v1::JobFile& file) {
  // Computed before the data are read: a change in between causes one job too many, not a missed
  // one. If the data cannot be read, the run reports it in better words.
  DataSetDigestCache digests(DigestsFile(store_.FolderOf(file.job().job_id())));
  const v1::TrainingSpec& spec = file.job().resolved_spec();
  const auto source = digests.Of(spec.source_dataset());
  const auto target = digests.Of(spec.target_dataset(), spec.pairs_dataset());
  return store_.Update(file.job().job_id(), [&](v1::JobFile& changed) {
    v1::Job& job = *changed.mutable_job();
    job.set_state(v1::Job::STATE_RUNNING);
    job.clear_reason();
    if (!job.has_started_at()) *job.mutable_started_at() = ToProtoTime(options_.date());
    const bool same_data = changed.source_dataset_sha256() == source.value_or("") &&
                           changed.target_dataset_sha256() == target.value_or("");
    // The run starts over on other data.
    if (!same_data) ForgetWholeEpochs(changed);
    changed.set_source_dataset_sha256(source.value_or(""));
    changed.set_target_dataset_sha256(target.value_or(""));
    CountStart(changed);
  });
}

JobObserver JobScheduler::ObserverOf(const std::string& id, Active& active, JobReporter& reporter) {
  JobObserver observer;
  observer.on_progress = [&](const auto& progress) { reporter.OnProgress(progress); };
  observer.on_epoch = [&](const auto& progress, const auto& evaluations) {
    reporter.OnEpoch(progress, evaluations);
  };
  observer.on_message = [&](const std::string& message) { reporter.OnMessage(message); };
  observer.on_start_over = [&] { reporter.OnStartOver(); };
  observer.stop = [&] { return stopping_ || active.cancel; };
  observer.needed_versions = [this] { return NeededVersions(); };
  observer.wait_for_room = [&, id](const absl::Status& why) {
    return WaitForRoom(id, why, active, reporter);
  };
  observer.on_memory_bytes = [this, id](uint64_t bytes) {
    store_.Show(id, [bytes](v1::JobFile& file) { file.mutable_job()->set_memory_bytes(bytes); });
  };
  return observer;
}

void JobScheduler::Interrupt(const std::string& id) {
  const absl::Status status = store_.Update(id, [](v1::JobFile& file) {
    // A pause has taken it back already.
    if (file.job().state() != v1::Job::STATE_PAUSED) TakeBackStart(file);
  });
  // On a full disk one start too many is counted.
  if (!status.ok()) LogWarning("a job's stop is not kept", {{"job", id}, {"reason", status}});
}

void JobScheduler::End(const std::string& id, const absl::StatusOr<JobOutcome>& outcome,
                       bool cancelled, Active& active, JobReporter& reporter) {
  const auto finish = [&](v1::JobFile& file) {
    Finish(*file.mutable_job(), outcome, cancelled, options_.date());
  };
  // The end is kept before anybody sees it: a version that was shown as published must not be
  // unknown after a crash.
  absl::Status kept = store_.Update(id, finish);
  while (absl::IsResourceExhausted(kept)) {
    Pause(id, kept, reporter);
    if (!WaitToRetry(active, /*heed_cancel=*/false)) return;
    kept = store_.Update(id, finish);
  }
  if (!kept.ok()) {
    LogError("the end of a job is not kept on disk", {{"job", id}, {"reason", kept}});
    store_.Show(id, finish);
  }
  const v1::Job::State state = EndState(outcome.status(), cancelled);
  // A job whose end is not kept runs again after a restart, from its state.
  if (kept.ok() && state == v1::Job::STATE_SUCCEEDED) runner_.DropState(store_.FolderOf(id));
  {
    absl::MutexLock lock(&ended_mutex_);
    if (state != v1::Job::STATE_SUCCEEDED) DropOldStates();
    DropOldFiles();
  }
  if (state == v1::Job::STATE_FAILED) metrics_.CountEndedJob("failed");
  if (outcome.ok()) {
    metrics_.CountEndedJob(ResultOf(*outcome));
  }
  const auto job = store_.Get(id);
  reporter.OnState(state, job.ok() ? job->reason() : "");
}

void JobScheduler::Pause(const std::string& id, const absl::Status& why, JobReporter& reporter) {
  const auto pause = [&why](v1::JobFile& file) {
    file.mutable_job()->set_state(v1::Job::STATE_PAUSED);
    TakeBackStart(file);
    file.mutable_job()->set_reason(ShownText(why.message()));
  };
  // On a full disk the old state stays, which means the same at the next start.
  if (!store_.Update(id, pause).ok()) store_.Show(id, pause);
  reporter.OnState(v1::Job::STATE_PAUSED, std::string(why.message()));
}

// Returns false when stopping.
bool JobScheduler::WaitToRetry(Active& active, bool heed_cancel) {
  absl::MutexLock lock(&mutex_);
  const auto over = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return stopping_ || active.retry || (heed_cancel && active.cancel);
  };
  pause_.Until(&mutex_, SteadyTime::Now() + options_.retry_pause, over);
  active.retry = false;
  return !stopping_ || (heed_cancel && active.cancel);
}

bool JobScheduler::WaitForRoom(const std::string& id, const absl::Status& why, Active& active,
                               JobReporter& reporter) {
  Pause(id, why, reporter);
  if (!WaitToRetry(active, /*heed_cancel=*/true) || active.cancel) return false;
  const auto run = [](v1::JobFile& file) {
    file.mutable_job()->set_state(v1::Job::STATE_RUNNING);
    file.mutable_job()->clear_reason();
    CountStart(file);
  };
  if (!store_.Update(id, run).ok()) store_.Show(id, run);
  reporter.OnState(v1::Job::STATE_RUNNING, "tries again to write what it has trained");
  return true;
}

std::vector<std::string> JobScheduler::Ended(
    const std::function<bool(const v1::JobFile&)>& picked) const {
  std::vector<std::pair<EndTime, std::string>> ended;
  for (const auto& file : store_.All()) {
    const v1::Job& job = file->job();
    // A job that cannot be read has no end, and its folder is left alone.
    if (!HasEnded(job.state()) || !job.has_ended_at() || !picked(*file)) continue;
    ended.emplace_back(EndTimeOf(job), job.job_id());
  }
  std::sort(ended.rbegin(), ended.rend());
  std::vector<std::string> ids;
  for (auto& [end, id] : ended) ids.push_back(std::move(id));
  return ids;
}

std::vector<int64_t> JobScheduler::NeededVersions() const {
  std::vector<int64_t> versions = store_.NeededVersions(options_.most_kept_states);
  for (const auto& file : store_.All()) {
    const v1::Job& job = file->job();
    const int64_t version = job.resolved_spec().initial_version();
    if (version > 0 && MayBeRetried(job.state()) &&
        runner_.HasState(store_.FolderOf(job.job_id()))) {
      versions.push_back(version);
    }
  }
  return versions;
}

void JobScheduler::DropOldStates() {
  const std::vector<std::string> ended = Ended([this](const v1::JobFile& file) {
    return MayBeRetried(file.job().state()) &&
           runner_.HasState(store_.FolderOf(file.job().job_id()));
  });
  for (size_t i = options_.most_kept_states; i < ended.size(); ++i) {
    runner_.DropState(store_.FolderOf(ended[i]));
  }
}

void JobScheduler::DropOldFiles() {
  const std::vector<std::string> ended = Ended([](const v1::JobFile&) { return true; });
  for (size_t i = options_.most_kept_files; i < ended.size(); ++i) {
    if (!runner_.HasState(store_.FolderOf(ended[i]))) store_.DropFiles(ended[i]);
  }
}

absl::StatusOr<v1::Job> JobScheduler::Cancel(const std::string& id) {
  std::shared_ptr<Active> active;
  Place place;
  {
    absl::MutexLock lock(&mutex_);
    for (const bool is_new : {false, true}) {
      if (queue_.erase({is_new, id}) == 0) continue;
      place = {is_new, id};
      active_[id] = std::make_shared<Active>();
    }
    if (place.second.empty()) {
      const auto found = active_.find(id);
      if (found != active_.end()) active = found->second;
    }
  }
  if (!place.second.empty()) return CancelQueued(id, place);
  if (active != nullptr) return CancelActive(id, active);
  S2P_ASSIGN_OR_RETURN(const auto job, store_.Get(id));
  if (HasEnded(job.state())) return HasEndedError(job);
  return absl::UnavailableError(
      absl::StrCat(id, ": is between two states, or the trainer is shutting down; try again"));
}

absl::StatusOr<v1::Job> JobScheduler::CancelQueued(const std::string& id, const Place& place) {
  const absl::Status status = store_.Update(id, [this](v1::JobFile& file) {
    Finish(*file.mutable_job(), absl::CancelledError(), /*cancelled=*/true, options_.date());
  });
  if (status.ok()) ReporterOf(id).OnState(v1::Job::STATE_CANCELLED, "cancelled");
  {
    absl::MutexLock lock(&mutex_);
    active_.erase(id);
    if (!status.ok()) queue_.insert(place);
  }
  options_.reporter.on_event();
  if (!status.ok()) return status;
  return store_.Get(id);
}

absl::StatusOr<v1::Job> JobScheduler::CancelActive(const std::string& id,
                                                   const std::shared_ptr<Active>& active) {
  const absl::Status status = store_.Update(id, [](v1::JobFile& file) {
    if (!HasEnded(file.job().state())) file.set_cancel_requested(true);
  });
  {
    absl::MutexLock lock(&mutex_);
    active->cancel = true;
    pause_.NotifyAll();
  }
  if (!status.ok()) {
    return absl::Status(status.code(),
                        absl::StrCat("the job is being cancelled, but a crash now would start it "
                                     "again: ",
                                     status.message()));
  }
  S2P_ASSIGN_OR_RETURN(const auto file, store_.GetFile(id));
  if (HasEnded(file->job().state()) && !file->cancel_requested()) {
    return HasEndedError(file->job());
  }
  return file->job();
}

absl::StatusOr<v1::Job> JobScheduler::Retry(const std::string& id) {
  if (stopping_) return absl::UnavailableError("the trainer is shutting down");
  // Its state is not dropped meanwhile.
  absl::MutexLock lock(&ended_mutex_);
  S2P_ASSIGN_OR_RETURN(const auto job, store_.Get(id));
  if (!MayBeRetried(job.state())) {
    return absl::FailedPreconditionError(
        absl::StrCat("job_id: ", id, " is ", v1::Job::State_Name(job.state()),
                     "; only a job that failed or was cancelled can be retried"));
  }
  if (IsActive(id)) {
    return absl::UnavailableError(absl::StrCat(id, ": is just ending; try again"));
  }
  if (const absl::Status status = runner_.CheckRetry(job, store_.FolderOf(id)); !status.ok()) {
    return absl::FailedPreconditionError(
        absl::StrCat("job_id: ", id, " cannot be retried: ", status.message()));
  }
  S2P_RETURN_IF_ERROR(store_.Update(id, QueueAgain));
  // Reported before the job is queued, so that it is told before the job starts.
  ReporterOf(id).OnState(v1::Job::STATE_QUEUED, "queued again");
  {
    absl::MutexLock queueing(&mutex_);
    queue_.emplace(true, id);
  }
  return store_.Get(id);
}

bool JobScheduler::IsActive(const std::string& id) const {
  absl::MutexLock lock(&mutex_);
  return active_.count(id) > 0 || queue_.count({false, id}) > 0 || queue_.count({true, id}) > 0;
}

void JobScheduler::RetryPaused() {
  absl::MutexLock lock(&mutex_);
  for (const auto& [id, active] : active_) active->retry = true;
  pause_.NotifyAll();
}

void JobScheduler::RequestStop() {
  absl::MutexLock lock(&mutex_);
  stopping_ = true;
  pause_.NotifyAll();
}

void JobScheduler::Stop() {
  RequestStop();
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

}  // namespace s2p
