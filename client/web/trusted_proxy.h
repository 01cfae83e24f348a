// Says what a proxy in front of the page tells about its clients.
#ifndef S2P_CLIENT_WEB_TRUSTED_PROXY_H_
#define S2P_CLIENT_WEB_TRUSTED_PROXY_H_

#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "daemon/http/client_address.h"
#include "daemon/http/http_message.h"

namespace s2p {

// Believes headers only of the proxies' own addresses: anyone else can write them. Immutable.
class TrustedProxy {
 public:
  TrustedProxy() = default;
  // `login_header` is the header in which a proxy names the person who has logged in with it; empty
  // if none does.
  TrustedProxy(AddressSet proxies, std::string login_header)
      : proxies_(std::move(proxies)), login_header_(std::move(login_header)) {}

  bool IsProxy(absl::string_view address) const { return proxies_.Contains(address); }
  // Whether people log in at a proxy.
  bool logs_in() const { return !login_header_.empty(); }
  // The name in the login header; empty for a request that did not come from a proxy, and one with
  // several such headers.
  std::string UserOf(const HttpRequest& request) const;
  // Whether the request has an X-Forwarded-For that is not believed, because it did not come from a
  // proxy.
  bool IgnoresClientOf(const HttpRequest& request) const;
  // The address of the client itself: for a request from a proxy the last one in X-Forwarded-For
  // that is no proxy's, otherwise the connection's.
  std::string ClientOf(const HttpRequest& request) const;

 private:
  const AddressSet proxies_;
  const std::string login_header_;
};

}  // namespace s2p

#endif  // S2P_CLIENT_WEB_TRUSTED_PROXY_H_
