// SIGHUP: the request to read files again.
#ifndef S2P_DAEMON_RELOAD_SIGNAL_H_
#define S2P_DAEMON_RELOAD_SIGNAL_H_

#include <cstdint>

#include "absl/status/status.h"

namespace s2p {

// Lets SIGHUP, which ends a process by default, be counted from now on. For daemons: a program in
// the foreground should end with its terminal. Idempotent. Internal if the system refuses.
absl::Status CatchReloadSignal();

// The number of SIGHUPs so far. Whoever reads files remembers it, and reads them again when it has
// grown. Thread-safe, and cheap enough for every call.
uint64_t ReloadSignals();

}  // namespace s2p

#endif  // S2P_DAEMON_RELOAD_SIGNAL_H_
