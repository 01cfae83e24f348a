#include "client/web/request_guard.h"

#include <arpa/inet.h>

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace s2p {
namespace {

// Turns "shoes.example:8080" into "shoes.example", and "[::1]:8080" into "::1".
std::string WithoutPort(absl::string_view host) {
  if (absl::ConsumePrefix(&host, "[")) return std::string(host.substr(0, host.find(']')));
  return std::string(host.substr(0, host.rfind(':')));
}

bool IsNumber(const std::string& host) {
  in6_addr address;
  return inet_pton(AF_INET, host.c_str(), &address) == 1 ||
         inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

}  // namespace

absl::Status CheckHost(const RequestOrigin& from, const std::vector<std::string>& names) {
  const std::string host = WithoutPort(from.host);
  const auto is_host = [&](absl::string_view name) {
    return name == "*" || absl::EqualsIgnoreCase(name, host);
  };
  if (is_host("localhost") || IsNumber(host) || std::any_of(names.begin(), names.end(), is_host)) {
    return absl::OkStatus();
  }
  return absl::PermissionDeniedError(absl::StrCat("this page is not served under the name '", host,
                                                  "'; an operator can add --host-name ", host));
}

absl::Status CheckOrigin(const RequestOrigin& from, bool must_tell) {
  if (!from.origin.empty()) {
    absl::string_view origin = from.origin;
    // Behind a proxy that ends TLS, requests reach us over http from a page loaded over https.
    if (!absl::ConsumePrefix(&origin, "http://")) absl::ConsumePrefix(&origin, "https://");
    if (!absl::EqualsIgnoreCase(origin, from.host)) {
      return absl::PermissionDeniedError(
          absl::StrCat("this request comes from a page of ", from.origin, ", not of ", from.host));
    }
  }
  if (!from.fetch_site.empty() && from.fetch_site != "same-origin" && from.fetch_site != "none") {
    return absl::PermissionDeniedError("this request comes from a page of another site");
  }
  if (must_tell && from.origin.empty() && from.fetch_site.empty()) {
    return absl::PermissionDeniedError(
        "a request that changes something needs the header Origin with this page's address");
  }
  return absl::OkStatus();
}

}  // namespace s2p
