// What every HTTP request of the gateway goes through, whatever its route.
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
  // Under which the page may be asked for, beside numbers and localhost; "*": any name.
  std::vector<std::string> host_names;
  // Of a request; what goes beyond is read and thrown away, so that the browser hears of it.
  uint64_t max_body_bytes = 22 << 20;
  // Of an RPC: when the browser names none, and the longest that it may name.
  absl::Duration default_timeout = absl::Seconds(10);
  absl::Duration max_timeout = absl::Seconds(60);
};

// Exact paths only: what varies is in the query or the body. Gives each request its id, the
// security headers, the checks of request_guard.h, a bounded body, and the form of an error. Routes
// are added before Attach; then immutable, and called by several threads at once.
class Router {
 public:
  enum class Access {
    // Reads.
    kAnyone,
    // The same, but each costs compute: not for pages of other sites.
    kOwnPage,
    // Shows or changes what is the operator's.
    kOperator,
  };

  // Both are borrowed.
  Router(RouterOptions options, const OperatorSessions* sessions, WebMetrics* metrics);

  // `method` is GET, POST or PUT. One route per method and path.
  void Add(const std::string& method, const std::string& path, Access access,
           ExchangeHandler handler);

  // Makes `server` answer with these routes, as long as this object lives.
  void Attach(httplib::Server& server) const;

  // The value of a cookie in the header Cookie; empty if it is not there.
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
  // "/operator/" leads to "/operator", with its query. False if that is no route, either.
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

// Of the operator's session.
inline constexpr char kSessionCookie[] = "s2p_session";

}  // namespace s2p

#endif  // S2P_CLIENT_WEB_ROUTER_H_
