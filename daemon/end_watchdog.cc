#include "daemon/end_watchdog.h"

#include <unistd.h>

#include "daemon/log.h"

namespace s2p {

EndWatchdog::EndWatchdog(absl::Duration at_most) : thread_([this, at_most] { Watch(at_most); }) {}

EndWatchdog::~EndWatchdog() {
  {
    absl::MutexLock lock(&mutex_);
    over_ = true;
    wait_.NotifyAll();
  }
  thread_.join();
}

void EndWatchdog::Watch(absl::Duration at_most) {
  {
    absl::MutexLock lock(&mutex_);
    const auto over = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return over_; };
    if (wait_.Until(&mutex_, SteadyTime::Now() + at_most, over)) return;
  }
  LogError("did not end in time; ending without waiting for the rest", {{"waited", at_most}});
  _exit(kOverrunExit);
}

}  // namespace s2p
