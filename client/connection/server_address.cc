#include "client/connection/server_address.h"

#include <algorithm>
#include <initializer_list>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/utf8.h"

namespace s2p {
namespace {

absl::Status InvalidAddress(absl::string_view text, absl::string_view what) {
  return absl::InvalidArgumentError(
      absl::StrCat("'", Printable(text), "' is not a server address: ", what));
}

// Whether the text has only characters of names and of IPv6 numbers with a zone.
bool IsHost(absl::string_view host) {
  return !host.empty() && host.front() != '-' && std::all_of(host.begin(), host.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || absl::StrContains("-._:%", c) ||
           static_cast<unsigned char>(c) >= 0x80;
  });
}

// True for an address with a scheme that only gRPC reads; `is_valid` then says whether anything
// follows the scheme.
bool HasScheme(absl::string_view text, bool& is_valid) {
  for (absl::string_view scheme : {"unix:", "unix-abstract:", "ipv4:", "ipv6:", "xds:", "vsock:"}) {
    if (!absl::StartsWith(text, scheme)) continue;
    is_valid = text.size() > scheme.size();
    return true;
  }
  return false;
}

}  // namespace

absl::StatusOr<ServerAddress> ParseServerAddress(absl::string_view text) {
  constexpr char kExpected[] = "expected HOST:PORT, such as 127.0.0.1:50051 or [::1]:50051";
  if (absl::StartsWith(text, "http://") || absl::StartsWith(text, "https://")) {
    return InvalidAddress(text, "gRPC takes HOST:PORT, without http:// before it");
  }
  bool is_valid = false;
  if (HasScheme(text, is_valid)) {
    if (is_valid) return ServerAddress();
    return InvalidAddress(text, "nothing follows the scheme");
  }
  absl::string_view rest = text;
  if (absl::ConsumePrefix(&rest, "dns:") && absl::ConsumePrefix(&rest, "//")) {
    // Skips the resolver to ask, which is usually empty.
    rest.remove_prefix(std::min(rest.size(), rest.find('/')));
    absl::ConsumePrefix(&rest, "/");
  }
  const size_t colon = rest.rfind(':');
  if (colon == absl::string_view::npos) return InvalidAddress(text, kExpected);
  absl::string_view host = rest.substr(0, colon);
  const bool brackets = absl::StartsWith(host, "[") && absl::EndsWith(host, "]");
  if (brackets) host = host.substr(1, host.size() - 2);
  if (!brackets && absl::StrContains(host, ':')) {
    return InvalidAddress(text, "an IPv6 host needs brackets, as in [::1]:50051");
  }
  if (!IsHost(host)) return InvalidAddress(text, kExpected);
  const absl::string_view digits = rest.substr(colon + 1);
  uint32_t port = 0;
  if (!std::all_of(digits.begin(), digits.end(), absl::ascii_isdigit) ||
      !absl::SimpleAtoi(digits, &port) || port < 1 || port > 65535) {
    return InvalidAddress(text, "the port is not a number from 1 to 65535");
  }
  return ServerAddress{std::string(host), static_cast<uint16_t>(port)};
}

absl::Status CheckServerAddress(const std::string& text) {
  return ParseServerAddress(text).status();
}

}  // namespace s2p
