#include "daemon/http/answer_threads.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"

namespace s2p {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class AnswerThreadsTest : public testing::Test {
 protected:
  ~AnswerThreadsTest() override { Release(); }

  // Work that lasts until Release, and that a test can wait for.
  std::function<void()> Lasting() {
    return [this] {
      absl::MutexLock lock(&mutex_);
      ++running_;
      mutex_.Await(absl::Condition(&released_));
    };
  }
  void Release() {
    absl::MutexLock lock(&mutex_);
    released_ = true;
  }
  void AwaitRunning(int count) {
    absl::MutexLock lock(&mutex_);
    const auto reached = [&] {
      mutex_.AssertReaderHeld();
      return running_ >= count;
    };
    mutex_.Await(absl::Condition(&reached));
  }
  // Work that is noted.
  std::function<void()> Noted(const std::string& name) {
    return [this, name] {
      absl::MutexLock lock(&mutex_);
      noted_.push_back(name);
    };
  }
  std::vector<std::string> noted() {
    absl::MutexLock lock(&mutex_);
    return noted_;
  }

 private:
  absl::Mutex mutex_;
  int running_ ABSL_GUARDED_BY(mutex_) = 0;
  bool released_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::string> noted_ ABSL_GUARDED_BY(mutex_);
};

TEST_F(AnswerThreadsTest, LastingWorkOfOneCallerLeavesHalfOfTheThreadsToOthers) {
  AnswerThreads threads(4, 8);
  for (int i = 0; i < 8; ++i) EXPECT_TRUE(threads.Submit("a", Lasting()));
  AwaitRunning(2);
  absl::Notification done;
  EXPECT_TRUE(threads.Submit("b", Lasting()));
  EXPECT_TRUE(threads.Submit("c", [&] { done.Notify(); }));
  done.WaitForNotification();
  AwaitRunning(3);
  Release();
}

TEST_F(AnswerThreadsTest, WhatWaitedForItsCallerRunsInOrder) {
  AnswerThreads threads(2, 8);
  EXPECT_TRUE(threads.Submit("a", Lasting()));
  AwaitRunning(1);
  for (const char* name : {"a1", "a2", "a3"}) EXPECT_TRUE(threads.Submit("a", Noted(name)));
  absl::Notification done;
  EXPECT_TRUE(threads.Submit("b", [&] { done.Notify(); }));
  done.WaitForNotification();
  EXPECT_THAT(noted(), IsEmpty());
  Release();
  threads.Stop();
  EXPECT_THAT(noted(), ElementsAre("a1", "a2", "a3"));
}

TEST_F(AnswerThreadsTest, CallersTakeTurns) {
  AnswerThreads threads(1, 8);
  EXPECT_TRUE(threads.Submit("a", Lasting()));
  AwaitRunning(1);
  for (const char* name : {"a1", "a2"}) EXPECT_TRUE(threads.Submit("a", Noted(name)));
  EXPECT_TRUE(threads.Submit("b", Noted("b1")));
  Release();
  threads.Stop();
  EXPECT_THAT(noted(), ElementsAre("a1", "b1", "a2"));
}

TEST_F(AnswerThreadsTest, NobodyInParticularMayHaveAllThreads) {
  AnswerThreads threads(4, 0);
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(threads.Submit("", Lasting()));
  AwaitRunning(4);
  Release();
}

TEST_F(AnswerThreadsTest, CallerThatTakesAllPlacesLeavesOthersTheirShare) {
  AnswerThreads threads(2, 2);
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(threads.Submit("a", Lasting()));
  EXPECT_FALSE(threads.Submit("a", Lasting()));
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(threads.Submit("b", Lasting()));
  EXPECT_FALSE(threads.Submit("b", Lasting()));
  Release();
}

TEST_F(AnswerThreadsTest, StopRunsWhatWaitsAndRefusesTheRest) {
  AnswerThreads threads(3, 100);
  EXPECT_TRUE(threads.Submit("a", Lasting()));
  AwaitRunning(1);
  for (int i = 0; i < 50; ++i) EXPECT_TRUE(threads.Submit("a", Noted("a")));
  Release();
  threads.Stop();
  EXPECT_EQ(noted().size(), 50u);
  EXPECT_FALSE(threads.Submit("a", Noted("late")));
  threads.Stop();
}

}  // namespace
}  // namespace s2p
