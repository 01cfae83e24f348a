// The processing that every HTTP request of the gateway goes through, on any route.
#ifndef S2P_CLIENT_WEB_ROUTER_H_
#define S2P_CLIENT_WEB_ROUTER_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "client/web/exchange.h"
#include "client/web/metrics.h"
#include "client/web/operator_sessions.h"

namespace httplib {
class ContentReader;
class Server;
}  // namespace httplib

namespace s2p {

struct RouterOptions {
  // Host names of the page, besides IP addresses and localhost; "*" allows any name.
  std::vector<std::string> host_names;
  // Largest body of a request; the excess is read and discarded, so that the browser receives the
  // error.
  uint64_t max_body_bytes = 22 << 20;
  // Timeouts of an RPC: the default if the browser sets none, and the longest that it may set.
  absl::Duration default_timeout = absl::Seconds(10);
  absl::Duration max_timeout = absl::Seconds(60);
};

// Matches exact paths only; parameters are in the query or the body. Handles for each request its
// id, security headers, the checks of request_guard.h, the limit on the body, and the format of
// errors. Routes are added before Attach; after that it is immutable and called by several threads
// at once.
class Router {
 public:
  enum class Access {
    // Anyone may read.
    kAnyone,
    // The same, but a request costs compute, so pages of other sites are refused.
    kOwnPage,
    // Shows or changes things that only operators may.
    kOperator,
  };

  // Borrows both pointers.
  Router(RouterOptions options, const OperatorSessions* sessions, WebMetrics* metrics);

  // `method` is GET, POST or PUT. One route per method and path.
  void Add(const std::string& method, const std::string& path, Access access,
           ExchangeHandler handler);

  // Makes `server` serve these routes; this object must outlive its use.
  void Attach(httplib::Server& server) const;

  // The value of a cookie in the header Cookie; empty if it is missing.
  static std::string Cookie(absl::string_view header, absl::string_view name);

 private:
  struct Route {
    Access access = Access::kAnyone;
    ExchangeHandler handler;
  };

  void Handle(const httplib::Request& request, httplib::Response& response,
              const httplib::ContentReader* reader) const;
  absl::Status Dispatch(const Route& route, Exchange& exchange,
                        const httplib::ContentReader* reader) const;
  // Redirects "/operator/" to "/operator", keeping its query. False if that is not a route, either.
  bool LeadToRoute(Exchange& exchange) const;
  static absl::Status CheckParameters(const httplib::Request& request);
  absl::Status CheckAccess(Access access, const httplib::Request& request) const;
  absl::StatusOr<std::string> ReadBody(const httplib::Request& request,
                                       const httplib::ContentReader& reader) const;
  absl::Duration Timeout(const httplib::Request& request) const;

  const RouterOptions options_;
  const OperatorSessions* const sessions_;
  WebMetrics* const metrics_;
  std::map<std::pair<std::string, std::string>, Route> routes_;
};

// Cookie of the operator's session.
inline constexpr char kSessionCookie[] = "s2p_session";

}  // namespace s2p

#endif  // S2P_CLIENT_WEB_ROUTER_H_
