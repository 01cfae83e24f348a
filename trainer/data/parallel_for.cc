#include "trainer/data/parallel_for.h"

#include <algorithm>
#include <exception>
#include <new>
#include <system_error>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "base/hardware_threads.h"

namespace s2p {
namespace {

class Loop {
 public:
  Loop(int64_t n, const std::function<absl::Status(int64_t)>& body,
       const std::function<void(int64_t, int64_t)>& progress, const std::function<bool()>& stop)
      : n_(n), body_(body), progress_(progress), stop_(stop) {}

  void Work() {
    for (int64_t i = Begin(); i < n_; i = Begin()) {
      End(i, CatchExceptions([&] { return body_(i); }));
    }
  }

  absl::Status status() {
    absl::MutexLock lock(&mutex_);
    return status_;
  }

 private:
  // Hands out indices in order, so that when one fails all lower ones have begun.
  int64_t Begin() {
    absl::MutexLock lock(&mutex_);
    if (status_.ok() && next_ < n_ && stop_ && stop_()) {
      failed_ = -1;
      status_ = absl::CancelledError(absl::StrCat("stopped after ", done_, " of ", n_));
    }
    return status_.ok() ? next_++ : n_;
  }

  void End(int64_t i, absl::Status status) {
    absl::MutexLock lock(&mutex_);
    if (!status.ok() && i < failed_) {
      failed_ = i;
      status_ = std::move(status);
    }
    ++done_;
    if (status_.ok() && progress_) progress_(done_, n_);
  }

  const int64_t n_;
  const std::function<absl::Status(int64_t)>& body_;
  const std::function<void(int64_t, int64_t)>& progress_;
  const std::function<bool()>& stop_;

  absl::Mutex mutex_;
  int64_t next_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t done_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t failed_ ABSL_GUARDED_BY(mutex_) = INT64_MAX;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

absl::Status ParallelFor(int64_t n, int threads, const std::function<absl::Status(int64_t)>& body,
                         const std::function<void(int64_t, int64_t)>& progress,
                         const std::function<bool()>& stop) {
  if (threads <= 0) threads = HardwareThreads();
  Loop loop(n, body, progress, stop);
  std::vector<std::thread> helpers;
  StartThreads(
      static_cast<int>(std::min<int64_t>(threads, n)) - 1, [&loop] { loop.Work(); }, helpers);
  loop.Work();
  for (std::thread& helper : helpers) helper.join();
  return loop.status();
}

absl::Status CatchExceptions(absl::FunctionRef<absl::Status()> work) {
  try {
    return work();
  } catch (const std::bad_alloc&) {
    return absl::FailedPreconditionError("not enough memory");
  } catch (const std::exception& error) {
    return absl::InternalError(error.what());
  }
}

void StartThreads(int count, const std::function<void()>& work, std::vector<std::thread>& threads) {
  try {
    for (int i = 0; i < count; ++i) threads.emplace_back(work);
  } catch (const std::system_error&) {
    // The system's limit on threads; fewer do the same work.
  }
}

}  // namespace s2p
