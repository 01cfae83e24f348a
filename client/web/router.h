// The processing that every HTTP request of the gateway goes through, on any route.
#ifndef S2P_CLIENT_WEB_ROUTER_H_
#define S2P_CLIENT_WEB_ROUTER_H_

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
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
#include "client/web/trusted_proxy.h"
#include "daemon/callers/token_buckets.h"
#include "daemon/http/http_server.h"
#include "daemon/http/memory_limit.h"

namespace s2p {

struct RouterOptions {
  // Host names of the page, besides IP addresses and localhost; "*" allows any name.
  std::vector<std::string> host_names;
  // Largest body of a request.
  uint64_t max_body_bytes = 22 << 20;
  // Memory of all messages made from JSON at one time. Reckoned from the number of values and the
  // length of the text, before it is parsed.
  uint64_t message_memory_bytes = uint64_t{192} << 20;
  // Timeouts of an RPC: the default if the browser sets none, and the longest that it may set.
  absl::Duration default_timeout = absl::Seconds(10);
  absl::Duration max_timeout = absl::Seconds(60);
  // Requests below /api/ that one client (AddressGroup) may start in a second, on average; a
  // second's worth may come at once. All clients share the gateway's key at the servers, so
  // no single client may use it up. 0: any number.
  double calls_per_second_per_address = 200;
  // Whether the addresses of this machine are limited, too.
  bool limit_loopback = false;
};

// Matches exact paths only; parameters are in the query or the body. Handles for each request its
// id, security headers, the checks of request_guard.h and the login, all before the body is read,
// and the format of errors. Routes are added before a server uses it; after that it is immutable
// and called by several threads at once.
class Router : public HttpHandler {
 public:
  enum class Access {
    // Anyone may read.
    kAnyone,
    // The same, but a request costs compute, so pages of other sites are refused.
    kOwnPage,
    // Shows or changes things that only operators may.
    kOperator,
  };

  // Borrows the pointers.
  Router(RouterOptions options, const OperatorSessions* sessions, const TrustedProxy* proxy,
         WebMetrics* metrics);

  // `method` is GET, POST or PUT. One route per method and path. A body has at most
  // `max_body_bytes`; without it, as many as the options say.
  void Add(const std::string& method, const std::string& path, Access access,
           ExchangeHandler handler, std::optional<uint64_t> max_body_bytes = std::nullopt);
  // Gives a route, which has been added, a limit of its own besides that of RouterOptions: the
  // requests that one client (AddressGroup) may start in a second, on average, and those that may
  // come at once, at least 1. `per_second` 0: any number.
  void LimitRate(const std::string& method, const std::string& path, double per_second,
                 double at_once);
  // A GET for anyone that is answered even if all threads are busy. `handler` must not block.
  void AddProbe(const std::string& path, ExchangeHandler handler);

  HttpAdmission Admit(const HttpRequest& request) override;
  HttpResponse Answer(HttpRequest& request) override;
  HttpResponse Refuse(const HttpRequest& request, int status, absl::string_view message) override;
  void Record(const HttpRequest& request, int status) override;

  // The value of a cookie in the header Cookie; empty if it is missing.
  static std::string Cookie(absl::string_view header, absl::string_view name);

 private:
  struct Route {
    Access access = Access::kAnyone;
    ExchangeHandler handler;
    uint64_t max_body_bytes = 0;
    bool is_probe = false;
    // Null: no limit of its own.
    std::unique_ptr<TokenBuckets> by_address;
  };

  // Null if there is none.
  const Route* Find(const HttpRequest& request) const;
  absl::Status Check(const Route& route, const HttpRequest& request) const;
  // Warns, once, of what may be a proxy that nobody named.
  void NoteProxy(const HttpRequest& request);
  // A BusyError if the client starts more requests than `by_address` allows; null: any number.
  // `what` names them.
  absl::Status CheckRate(TokenBuckets* by_address, absl::string_view what,
                         const HttpRequest& request) const;
  absl::Status CheckAccess(Access access, const HttpRequest& request) const;
  bool IsOperator(const HttpRequest& request) const;
  // Redirects "/operator/" to "/operator", keeping its query. Nothing if that is not a route,
  // either.
  std::optional<std::string> LeadToRoute(const HttpRequest& request) const;
  HttpResponse Run(const Route& route, HttpRequest& request);
  // Writes `status` into the response if it is an error.
  HttpResponse Complete(const HttpRequest& request, const std::string& request_id,
                        const absl::Status& status, HttpResponse response) const;
  absl::Duration Timeout(const HttpRequest& request) const;

  const RouterOptions options_;
  const OperatorSessions* const sessions_;
  const TrustedProxy* const proxy_;
  WebMetrics* const metrics_;
  MemoryLimit message_memory_;
  // Null: no limit.
  const std::unique_ptr<TokenBuckets> by_address_;
  std::map<std::pair<std::string, std::string>, Route> routes_;
  std::atomic<bool> proxy_noted_ = false;
};

// Cookie of the operator's session.
inline constexpr char kSessionCookie[] = "s2p_session";

}  // namespace s2p

#endif  // S2P_CLIENT_WEB_ROUTER_H_
