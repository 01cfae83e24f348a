// A store and a scheduler with a runner that is stepped by hand; they can be closed and reopened on
// the same folder.
#ifndef S2P_TESTS_TRAINER_JOBS_JOB_FIXTURE_H_
#define S2P_TESTS_TRAINER_JOBS_JOB_FIXTURE_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"
#include "tests/trainer/jobs/fake_job_runner.h"
#include "trainer/jobs/job_scheduler.h"

namespace s2p::test {

class JobFixture : public testing::Test {
 protected:
  JobFixture() {
    options_.retry_pause = absl::InfiniteDuration();
    options_.reporter.now = [this] { return SteadyTime() + absl::Milliseconds(now_ms_.load()); };
    options_.date = [this] { return absl::FromUnixMillis(now_ms_.load()); };
    options_.reporter.on_event = [this] {
      absl::MutexLock lock(&mutex_);
      ++changes_;
    };
    Open();
  }
  ~JobFixture() override { Close(); }

  // Like the start of a process, and its end.
  void Open() {
    auto store = JobStore::Open(dir_.path());
    ASSERT_THAT(store, IsOk());
    store_ = *std::move(store);
    auto scheduler = JobScheduler::Create(options_, store_.get(), &runner_, &metrics_);
    ASSERT_THAT(scheduler, IsOk());
    scheduler_ = *std::move(scheduler);
    scheduler_->Start();
  }
  void Close() {
    scheduler_.reset();
    store_.reset();
  }

  std::string Submit(const std::string& name = "") {
    v1::TrainingSpec spec;
    spec.set_name(name);
    const auto job = scheduler_->Submit(spec);
    EXPECT_THAT(job, IsOk());
    return job.ok() ? job->job_id() : "";
  }
  v1::Job::State StateOf(const std::string& id) { return store_->Get(id)->state(); }
  // Waits for the event that reports the state.
  v1::Job WaitFor(const std::string& id, v1::Job::State state) {
    const auto is_there = [&] { return StateOf(id) == state; };
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(&is_there));
    return *store_->Get(id);
  }
  v1::Job WaitForEnd(const std::string& id, v1::Job::State state) {
    const auto is_there = [&] { return StateOf(id) == state && !scheduler_->IsActive(id); };
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(&is_there));
    return *store_->Get(id);
  }
  std::vector<std::string> StatesTold(const std::string& id) {
    std::vector<std::string> states;
    JobEventReader reader(*store_->Events(id), 1);
    for (;;) {
      const auto event = reader.Next();
      if (!event.ok() || !event->has_value()) return states;
      const std::string state = v1::Job::State_Name((*event)->state()).substr(6);
      if (states.empty() || states.back() != state) states.push_back(state);
    }
  }

  TempDir dir_;
  std::atomic<int64_t> now_ms_{1'000'000};
  absl::Mutex mutex_;
  int changes_ ABSL_GUARDED_BY(mutex_) = 0;
  FakeJobRunner runner_;
  TrainerMetrics metrics_{"test"};
  JobSchedulerOptions options_;
  std::unique_ptr<JobStore> store_;
  std::unique_ptr<JobScheduler> scheduler_;
};

}  // namespace s2p::test

#endif  // S2P_TESTS_TRAINER_JOBS_JOB_FIXTURE_H_
