// Decides which HTTP requests are admitted, to stop other sites' pages from making a browser send
// them.
#ifndef S2P_CLIENT_WEB_REQUEST_GUARD_H_
#define S2P_CLIENT_WEB_REQUEST_GUARD_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace s2p {

// The headers that say where a request comes from; empty if not sent.
struct RequestOrigin {
  std::string host;
  std::string origin;
  std::string fetch_site;
};

// Another site's page must not reach us by pointing its name at our address (DNS rebinding): the
// requested host must be one of `names` (without port; "*" allows any), an IP address, or
// localhost. PermissionDenied names the flag.
absl::Status CheckHost(const RequestOrigin& from, const std::vector<std::string>& names);

// A request that changes something or costs compute must come from our own page: Origin, if sent,
// must be the requested host, and Sec-Fetch-Site must agree. With `must_tell`, one of the two
// headers is required. PermissionDenied otherwise.
absl::Status CheckOrigin(const RequestOrigin& from, bool must_tell);

}  // namespace s2p

#endif  // S2P_CLIENT_WEB_REQUEST_GUARD_H_
