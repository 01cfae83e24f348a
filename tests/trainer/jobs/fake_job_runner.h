// A runner whose runs a test steps by hand.
#ifndef S2P_TESTS_TRAINER_JOBS_FAKE_JOB_RUNNER_H_
#define S2P_TESTS_TRAINER_JOBS_FAKE_JOB_RUNNER_H_

#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "trainer/jobs/job_runner.h"

namespace s2p::test {

inline JobOutcome Published(int64_t version) {
  JobOutcome outcome;
  outcome.published_version = version;
  outcome.reason = "published";
  return outcome;
}

inline v1::TrainingProgress ProgressOf(uint32_t epoch, uint32_t step, double loss = 1) {
  v1::TrainingProgress progress;
  progress.set_ihda_step(2);
  progress.set_epoch(epoch);
  progress.set_step(step);
  v1::LossTerm& term = *progress.add_losses();
  term.set_name("total");
  term.set_value(loss);
  return progress;
}

// One call of Run, on whose thread `Do` and `End` act. Thread-safe.
class FakeRun {
 public:
  FakeRun(v1::Job job, std::string folder, JobObserver observer)
      : job_(std::move(job)), folder_(std::move(folder)), observer_(std::move(observer)) {}

  const v1::Job& job() const { return job_; }
  const std::string& folder() const { return folder_; }

  // Acts as the run would, and returns when finished.
  void Do(const std::function<void(const JobObserver&)>& act) {
    absl::Notification done;
    {
      absl::MutexLock lock(&mutex_);
      acts_.push_back([&] {
        act(observer_);
        done.Notify();
      });
    }
    done.WaitForNotification();
  }
  void Progress(const v1::TrainingProgress& progress) {
    Do([&](const JobObserver& observer) { observer.on_progress(progress); });
  }
  // The run returns this.
  void End(absl::StatusOr<JobOutcome> outcome) {
    absl::MutexLock lock(&mutex_);
    outcome_ = std::move(outcome);
  }

  // Runs on the thread of Run.
  absl::StatusOr<JobOutcome> Work() {
    for (;;) {
      std::function<void()> act;
      {
        absl::MutexLock lock(&mutex_);
        const auto something = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
          return !acts_.empty() || !absl::IsUnknown(outcome_.status());
        };
        // Regularly ask whether to stop, as a step of training would.
        mutex_.AwaitWithTimeout(absl::Condition(&something), absl::Milliseconds(1));
        if (acts_.empty()) {
          if (!absl::IsUnknown(outcome_.status())) return outcome_;
        } else {
          act = std::move(acts_.front());
          acts_.pop_front();
        }
      }
      if (act != nullptr) act();
      if (act == nullptr && observer_.stop()) return absl::CancelledError("stopped");
    }
  }

 private:
  const v1::Job job_;
  const std::string folder_;
  const JobObserver observer_;
  absl::Mutex mutex_;
  std::deque<std::function<void()>> acts_ ABSL_GUARDED_BY(mutex_);
  // Unknown means that the run continues.
  absl::StatusOr<JobOutcome> outcome_ ABSL_GUARDED_BY(mutex_);
};

// Thread-safe.
class FakeJobRunner : public JobRunner {
 public:
  // Every run ends immediately with this outcome; Unknown (the default) means that it is stepped by
  // hand.
  void EndAtOnceWith(absl::StatusOr<JobOutcome> outcome) {
    absl::MutexLock lock(&mutex_);
    at_once_ = std::move(outcome);
  }
  // Sets the result of Check from now on.
  void RefuseSpecs(absl::Status status) {
    absl::MutexLock lock(&mutex_);
    check_ = std::move(status);
  }
  // Sets the result of CheckRetry from now on.
  void RefuseRetries(absl::Status status) {
    absl::MutexLock lock(&mutex_);
    check_retry_ = std::move(status);
  }
  // The next run that nobody has taken yet; waits for it.
  std::shared_ptr<FakeRun> NextRun() {
    absl::MutexLock lock(&mutex_);
    const auto something = [this]()
                               ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return !runs_.empty(); };
    mutex_.Await(absl::Condition(&something));
    auto run = std::move(runs_.front());
    runs_.pop_front();
    return run;
  }
  // Waits until `count` calls of Run have ended.
  void WaitForEnds(int count) {
    absl::MutexLock lock(&mutex_);
    const auto enough = [this, count]()
                            ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return ends_ >= count; };
    mutex_.Await(absl::Condition(&enough));
  }
  // The number of runs of each job.
  std::map<std::string, int> counts() {
    absl::MutexLock lock(&mutex_);
    return counts_;
  }

  absl::StatusOr<v1::TrainingSpec> Check(const v1::TrainingSpec& spec) override {
    absl::MutexLock lock(&mutex_);
    if (!check_.ok()) return check_;
    v1::TrainingSpec resolved = spec;
    if (!resolved.has_seed()) resolved.set_seed(7);
    resolved.mutable_step2()->set_batch_size(48);
    return resolved;
  }

  absl::Status CheckRetry(const v1::Job&, const std::string&) override {
    absl::MutexLock lock(&mutex_);
    return check_retry_;
  }
  bool HasState(const std::string& folder) override {
    return std::filesystem::exists(StateFile(folder));
  }
  void DropState(const std::string& folder) override { std::filesystem::remove(StateFile(folder)); }
  // The file that stands for a job's state.
  static std::string StateFile(const std::string& folder) { return folder + "/resume"; }

  absl::StatusOr<JobOutcome> Run(const v1::Job& job, const std::string& folder,
                                 const JobObserver& observer) override {
    std::shared_ptr<FakeRun> run;
    absl::StatusOr<JobOutcome> outcome;
    {
      absl::MutexLock lock(&mutex_);
      ++counts_[job.job_id()];
      outcome = at_once_;
      if (absl::IsUnknown(outcome.status())) {
        run = std::make_shared<FakeRun>(job, folder, observer);
        runs_.push_back(run);
      }
    }
    if (run != nullptr) outcome = run->Work();
    absl::MutexLock lock(&mutex_);
    ++ends_;
    return outcome;
  }

 private:
  absl::Mutex mutex_;
  absl::Status check_ ABSL_GUARDED_BY(mutex_);
  absl::Status check_retry_ ABSL_GUARDED_BY(mutex_);
  absl::StatusOr<JobOutcome> at_once_ ABSL_GUARDED_BY(mutex_);
  std::deque<std::shared_ptr<FakeRun>> runs_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, int> counts_ ABSL_GUARDED_BY(mutex_);
  int ends_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace s2p::test

#endif  // S2P_TESTS_TRAINER_JOBS_FAKE_JOB_RUNNER_H_
