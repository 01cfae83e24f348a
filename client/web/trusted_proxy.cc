#include "client/web/trusted_proxy.h"

#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"

namespace s2p {
namespace {

constexpr char kForwardedFor[] = "X-Forwarded-For";

}  // namespace

std::string TrustedProxy::UserOf(const HttpRequest& request) const {
  if (!logs_in() || !IsProxy(request.remote_address) || request.CountHeaders(login_header_) != 1) {
    return "";
  }
  return std::string(absl::StripAsciiWhitespace(request.Header(login_header_)));
}

bool TrustedProxy::IgnoresClientOf(const HttpRequest& request) const {
  return request.CountHeaders(kForwardedFor) > 0 && !IsProxy(request.remote_address);
}

std::string TrustedProxy::ClientOf(const HttpRequest& request) const {
  std::string client = request.remote_address;
  // Each proxy appends the address that it saw, so only the part from the first trusted one on can
  // be believed. Several headers are one list.
  for (auto header = request.headers.rbegin(); header != request.headers.rend(); ++header) {
    if (!absl::EqualsIgnoreCase(header->first, kForwardedFor)) continue;
    const std::vector<absl::string_view> hops = absl::StrSplit(header->second, ',');
    for (auto hop = hops.rbegin(); hop != hops.rend(); ++hop) {
      if (!IsProxy(client)) return client;
      const absl::string_view address = absl::StripAsciiWhitespace(*hop);
      if (!IsAddress(address)) return client;
      client = std::string(address);
    }
  }
  return client;
}

}  // namespace s2p
