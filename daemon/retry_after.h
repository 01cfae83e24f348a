// The time after which a refused request is worth a retry.
#ifndef S2P_DAEMON_RETRY_AFTER_H_
#define S2P_DAEMON_RETRY_AFTER_H_

#include <optional>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace s2p {

// ResourceExhausted, because of load that will pass in about `after`. (A full disk does not pass,
// so its status has no time.)
absl::Status BusyError(absl::string_view message, absl::Duration after);

// The `after` of a BusyError; nullopt for every other status.
std::optional<absl::Duration> RetryAfter(const absl::Status& status);

}  // namespace s2p

#endif  // S2P_DAEMON_RETRY_AFTER_H_
