#include "daemon/reload_signal.h"

#include <signal.h>

#include <atomic>
#include <cerrno>

#include "absl/strings/str_cat.h"

namespace s2p {
namespace {

// State of the signal handler, which can have no object. Lock-free, as handlers require.
std::atomic<uint64_t> signals_seen{0};

extern "C" void OnReloadSignal(int) { signals_seen.fetch_add(1, std::memory_order_relaxed); }

}  // namespace

absl::Status CatchReloadSignal() {
  struct sigaction action = {};
  action.sa_handler = &OnReloadSignal;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  if (sigaction(SIGHUP, &action, nullptr) != 0) {
    return absl::InternalError(absl::StrCat("no handler for SIGHUP: error ", errno));
  }
  return absl::OkStatus();
}

uint64_t ReloadSignals() { return signals_seen.load(std::memory_order_relaxed); }

}  // namespace s2p
