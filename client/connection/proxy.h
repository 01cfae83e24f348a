// The HTTP proxy that the environment puts between us and a server.
#ifndef S2P_CLIENT_CONNECTION_PROXY_H_
#define S2P_CLIENT_CONNECTION_PROXY_H_

#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace s2p {

// A plain value.
struct Proxy {
  // The variable that names it.
  std::string variable;
  // Its value without user and password.
  std::string address;
};

// The proxy on the way to `host`, a name or number as ServerAddress has it: what grpc_proxy,
// https_proxy or http_proxy names, the first that is set, as gRPC reads them. None for this machine
// and for what no_proxy, NO_PROXY or no_grpc_proxy covers.
//
// Why not gRPC's own reading: it sends connections to 127.0.0.1 through the proxy unless no_proxy
// names that very text, and knows neither ranges nor "*".
std::optional<Proxy> ProxyTo(absl::string_view host);

// True for loopback addresses and names, this machine's own name, and the addresses of its
// interfaces. Resolves no name.
bool IsThisMachine(absl::string_view host);

// Whether a list as no_proxy has it covers a host: names, with all below them ("example.org",
// ".example.org", "*.example.org"), numbers, ranges ("10.0.0.0/8", "fd00::/8") and "*", separated
// by commas or spaces. A port behind an entry is ignored.
bool IsCoveredBy(absl::string_view no_proxy, absl::string_view host);

}  // namespace s2p

#endif  // S2P_CLIENT_CONNECTION_PROXY_H_
