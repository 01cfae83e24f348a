#include "server/feedback/shared_write.h"

#include <utility>

namespace s2p {

SharedWrite::SharedWrite(std::function<absl::Status()> write) : write_(std::move(write)) {}

absl::Status SharedWrite::Run() {
  absl::MutexLock lock(&mutex_);
  const int64_t call = ++calls_;
  const auto served_or_free = [this, call]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return served_ >= call || !running_;
  };
  mutex_.Await(absl::Condition(&served_or_free));
  if (served_ < call) {
    running_ = true;
    const int64_t serves = calls_;
    mutex_.Unlock();
    absl::Status outcome = write_();
    mutex_.Lock();
    running_ = false;
    served_ = serves;
    outcome_ = std::move(outcome);
  }
  ++ended_;
  return outcome_;
}

int64_t SharedWrite::callers() const {
  absl::MutexLock lock(&mutex_);
  return calls_ - ended_;
}

}  // namespace s2p
