// When it makes sense to try again what was refused.
#ifndef S2P_DAEMON_RETRY_AFTER_H_
#define S2P_DAEMON_RETRY_AFTER_H_

#include <optional>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace s2p {

// ResourceExhausted, because of load that will pass in about `after`. (A full disk does not pass:
// its status says nothing about when.)
absl::Status BusyError(absl::string_view message, absl::Duration after);

// What BusyError was told; nullopt for every other status.
std::optional<absl::Duration> RetryAfter(const absl::Status& status);

}  // namespace s2p

#endif  // S2P_DAEMON_RETRY_AFTER_H_
