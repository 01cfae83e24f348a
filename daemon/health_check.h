// Asks whether another process of the same program is alive, for a container's health check.
#ifndef S2P_DAEMON_HEALTH_CHECK_H_
#define S2P_DAEMON_HEALTH_CHECK_H_

#include <string>

#include "absl/status/status.h"
#include "daemon/http/tls_files.h"

namespace s2p {

// Sends GET /healthz to `http_address` (as HttpEndpointOptions.listen; loopback stands for every
// interface) and waits at most 5 s. Unavailable names the address if nothing answers or the answer
// is not 200; InvalidArgument for port 0, as the real port is unknown. `tls` is the other
// process's: with it the question goes over TLS, without a look at the certificate. A process that
// wants a certificate of its clients is alive once it says so.
absl::Status CheckHealth(const std::string& http_address, const HttpTlsOptions& tls = {});

}  // namespace s2p

#endif  // S2P_DAEMON_HEALTH_CHECK_H_
