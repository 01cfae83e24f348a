// The HTTP proxy that the environment puts between us and a server.
#ifndef S2P_CLIENT_CONNECTION_PROXY_H_
#define S2P_CLIENT_CONNECTION_PROXY_H_

#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace s2p {

// A plain value.
struct Proxy {
  // The environment variable that names the proxy.
  std::string variable;
  // Its value without user and password.
  std::string address;
};

// The proxy on the way to `host`, a name or number as in ServerAddress: the first that is set of
// grpc_proxy, https_proxy and http_proxy, as gRPC reads them. None for this machine and for hosts
// that no_proxy, NO_PROXY or no_grpc_proxy covers.
//
// gRPC's own logic is not enough: it sends connections to 127.0.0.1 through the proxy unless
// no_proxy contains exactly that text, and supports neither ranges nor "*".
std::optional<Proxy> ProxyTo(absl::string_view host);

// True for loopback addresses and names, this machine's own name, and the addresses of its
// interfaces. Resolves no name.
bool IsThisMachine(absl::string_view host);

// Whether a list in the form of no_proxy covers a host: names, with their subdomains
// ("example.org", ".example.org", "*.example.org"), numbers, ranges ("10.0.0.0/8", "fd00::/8") and
// "*", separated by commas or spaces. A port after an entry is ignored.
bool IsCoveredBy(absl::string_view no_proxy, absl::string_view host);

}  // namespace s2p

#endif  // S2P_CLIENT_CONNECTION_PROXY_H_
