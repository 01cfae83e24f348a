#include "daemon/http/answer_threads.h"

#include <algorithm>
#include <cstdint>
#include <utility>

namespace s2p {

AnswerThreads::AnswerThreads(int threads, int max_waiting)
    : most_per_caller_(std::max(1, threads / 2)),
      submitted_(int64_t{threads} + max_waiting),
      waiting_(1),
      running_(1) {
  for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { Run(); });
}

AnswerThreads::~AnswerThreads() { Stop(); }

bool AnswerThreads::Submit(const std::string& caller, std::function<void()> work) {
  absl::MutexLock lock(&mutex_);
  if (stopped_ || !submitted_.HasRoom(caller)) return false;
  submitted_.Take(caller);
  waiting_.Push(caller, {caller, std::move(work)}, /*places=*/0);
  return true;
}

void AnswerThreads::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopped_ = true;
  }
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

void AnswerThreads::Run() {
  while (std::optional<Work> work = Next()) {
    work->run();
    // The work gives back what it holds before its place is free.
    work->run = nullptr;
    absl::MutexLock lock(&mutex_);
    running_.Give(work->caller);
    submitted_.Give(work->caller);
  }
}

std::optional<AnswerThreads::Work> AnswerThreads::Next() {
  const auto may_run = [this](const std::string& caller) {
    mutex_.AssertReaderHeld();
    return caller.empty() || running_.held(caller) < most_per_caller_;
  };
  const auto has_turn = [&] {
    mutex_.AssertReaderHeld();
    return stopped_ || waiting_.HasTurn(may_run);
  };
  absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(&has_turn));
  // After the end, the threads that run a caller's work also run what waits behind it.
  std::optional<Work> work = waiting_.PopIf(may_run);
  if (work.has_value()) running_.Take(work->caller);
  return work;
}

}  // namespace s2p
