// The port of our HTTP servers.
#ifndef S2P_DAEMON_HTTP_LISTENER_H_
#define S2P_DAEMON_HTTP_LISTENER_H_

#include <string>

#include "absl/status/statusor.h"
#include "daemon/listen_address.h"

namespace httplib {
class Server;
}  // namespace httplib

namespace s2p {

// Binds `server`, which then needs listen_after_bind(), and returns the bound address, also if port
// 0 was requested. InvalidArgument if `listen` is not HOST:PORT. Unavailable names an address that
// cannot be bound: it is taken (ports are never shared between servers), or not this machine's.
// Thread-compatible.
absl::StatusOr<ListenAddress> BindHttp(const std::string& listen, httplib::Server& server);

}  // namespace s2p

#endif  // S2P_DAEMON_HTTP_LISTENER_H_
