#include "daemon/http_listener.h"

#include <httplib.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace s2p {

absl::StatusOr<ListenAddress> BindHttp(const std::string& listen, httplib::Server& server) {
  S2P_ASSIGN_OR_RETURN(ListenAddress address, ParseListenAddress(listen));
  // The library's default is SO_REUSEPORT, which would give a second program the port as well.
  server.set_socket_options([](socket_t socket) {
    const int yes = 1;
    setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
  });
  errno = 0;
  int port = -1;
  if (address.port == 0) {
    port = server.bind_to_any_port(address.host);
  } else if (server.bind_to_port(address.host, address.port)) {
    port = address.port;
  }
  if (port <= 0) {
    const int error = errno;
    return absl::UnavailableError(
        absl::StrCat("cannot listen on ", address.ToString(), " for HTTP: ",
                     error == EADDRINUSE ? "another program has this port"
                     : error != 0        ? std::strerror(error)
                                         : "it is not an address of this machine"));
  }
  address.port = static_cast<uint16_t>(port);
  return address;
}

}  // namespace s2p
