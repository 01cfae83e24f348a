// How our HTTP servers take their port.
#ifndef S2P_DAEMON_HTTP_LISTENER_H_
#define S2P_DAEMON_HTTP_LISTENER_H_

#include <string>

#include "absl/status/statusor.h"
#include "daemon/listen_address.h"

namespace httplib {
class Server;
}  // namespace httplib

namespace s2p {

// Binds `server`, which then needs listen_after_bind(), and returns the address as bound, also when
// port 0 was asked for. InvalidArgument for what is no HOST:PORT. Unavailable names the address if
// it cannot be bound: it is taken (no port sharing: two servers never answer on one port by turns),
// or not this machine's.
absl::StatusOr<ListenAddress> BindHttp(const std::string& listen, httplib::Server& server);

}  // namespace s2p

#endif  // S2P_DAEMON_HTTP_LISTENER_H_
