#include "trainer/data/parallel_for.h"

#include <algorithm>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "base/hardware_threads.h"

namespace s2p {
namespace {

class Loop {
 public:
  Loop(int64_t n, const std::function<absl::Status(int64_t)>& body,
       const std::function<void(int64_t, int64_t)>& progress)
      : n_(n), body_(body), progress_(progress) {}

  void Work() {
    for (int64_t i = Begin(); i < n_; i = Begin()) End(i, body_(i));
  }

  absl::Status status() {
    absl::MutexLock lock(&mutex_);
    return status_;
  }

 private:
  // Hands out indices in order, so that when one fails all lower ones have begun.
  int64_t Begin() {
    absl::MutexLock lock(&mutex_);
    return status_.ok() ? next_++ : n_;
  }

  void End(int64_t i, absl::Status status) {
    absl::MutexLock lock(&mutex_);
    if (!status.ok() && i < failed_) {
      failed_ = i;
      status_ = std::move(status);
    }
    if (status_.ok() && progress_) progress_(++done_, n_);
  }

  const int64_t n_;
  const std::function<absl::Status(int64_t)>& body_;
  const std::function<void(int64_t, int64_t)>& progress_;

  absl::Mutex mutex_;
  int64_t next_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t done_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t failed_ ABSL_GUARDED_BY(mutex_) = INT64_MAX;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

absl::Status ParallelFor(int64_t n, int threads, const std::function<absl::Status(int64_t)>& body,
                         const std::function<void(int64_t, int64_t)>& progress) {
  if (threads <= 0) threads = HardwareThreads();
  Loop loop(n, body, progress);
  std::vector<std::thread> helpers;
  for (int64_t i = 1; i < std::min<int64_t>(threads, n); ++i) {
    helpers.emplace_back([&loop] { loop.Work(); });
  }
  loop.Work();
  for (std::thread& helper : helpers) helper.join();
  return loop.status();
}

}  // namespace s2p
