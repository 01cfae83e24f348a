// Whether another process of the same program is alive: what a container's health check asks.
#ifndef S2P_DAEMON_HEALTH_CHECK_H_
#define S2P_DAEMON_HEALTH_CHECK_H_

#include <string>

#include "absl/status/status.h"

namespace s2p {

// Asks GET /healthz of who listens at `http_address` (HOST:PORT as HttpEndpointOptions.listen has
// it; every interface is asked through loopback), for at most 5 s. Unavailable, naming the
// address, if nobody answers or the answer is not 200; InvalidArgument for port 0, which cannot be
// known.
absl::Status CheckHealth(const std::string& http_address);

}  // namespace s2p

#endif  // S2P_DAEMON_HEALTH_CHECK_H_
