// Which HTTP requests are let in at all: against pages of others that make a browser ask for them.
#ifndef S2P_CLIENT_WEB_REQUEST_GUARD_H_
#define S2P_CLIENT_WEB_REQUEST_GUARD_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace s2p {

// The headers that say where a request comes from; empty: not sent.
struct RequestOrigin {
  std::string host;
  std::string origin;
  std::string fetch_site;
};

// A page of another site must not reach us by having its name point to our address (DNS
// rebinding): the host that was asked for is one of `names` (without port; "*" is any), or a
// number, or localhost. PermissionDenied names the flag.
absl::Status CheckHost(const RequestOrigin& from, const std::vector<std::string>& names);

// A request that changes something or costs compute comes from our own page: Origin, where it is
// sent, is the host that was asked for, and so says Sec-Fetch-Site. With `must_tell` one of the two
// must be there. PermissionDenied otherwise.
absl::Status CheckOrigin(const RequestOrigin& from, bool must_tell);

}  // namespace s2p

#endif  // S2P_CLIENT_WEB_REQUEST_GUARD_H_
