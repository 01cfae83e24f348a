#include "daemon/listen_address.h"

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status_macros.h"

namespace s2p {
namespace {

constexpr absl::string_view kUnixScheme = "unix:";

bool IsIpv4(absl::string_view host) {
  const std::vector<absl::string_view> parts = absl::StrSplit(host, '.');
  if (parts.size() != 4) return false;
  for (absl::string_view part : parts) {
    uint32_t number = 0;
    if (part.size() > 3 || !absl::SimpleAtoi(part, &number) || number > 255) return false;
  }
  return true;
}

}  // namespace

std::string ListenAddress::ToString() const {
  const bool brackets = absl::StrContains(host, ':');
  return absl::StrCat(brackets ? "[" : "", host, brackets ? "]" : "", ":", port);
}

bool ListenAddress::is_loopback() const {
  return host == "localhost" || host == "::1" || (IsIpv4(host) && absl::StartsWith(host, "127."));
}

absl::StatusOr<ListenAddress> ParseListenAddress(absl::string_view text) {
  const auto wrong = [text](absl::string_view what) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", text, "' is no address to listen on: ", what));
  };
  const size_t colon = text.rfind(':');
  if (colon == absl::string_view::npos) return wrong("expected HOST:PORT");
  absl::string_view host = text.substr(0, colon);
  if (absl::StartsWith(host, "[") && absl::EndsWith(host, "]")) {
    host = host.substr(1, host.size() - 2);
  } else if (absl::StrContains(host, ':')) {
    return wrong("an IPv6 host needs brackets, as in [::1]:50051");
  }
  if (host.empty() || host == "*") host = "0.0.0.0";
  uint32_t port = 0;
  const absl::string_view digits = text.substr(colon + 1);
  // SimpleAtoi alone accepts spaces and signs.
  if (!std::all_of(digits.begin(), digits.end(), absl::ascii_isdigit) ||
      !absl::SimpleAtoi(digits, &port) || port > 65535) {
    return wrong("the port is not a number from 0 to 65535");
  }
  if (host.find_first_of(" /\t") != absl::string_view::npos) return wrong("the host is not a name");
  ListenAddress address;
  address.host = std::string(host);
  address.port = static_cast<uint16_t>(port);
  return address;
}

absl::Status CheckHttpListen(const std::string& address) {
  return ParseListenAddress(address).status();
}

absl::Status CheckGrpcListen(const std::string& address) {
  if (!absl::StartsWith(address, kUnixScheme)) return ParseListenAddress(address).status();
  if (address.size() > kUnixScheme.size()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("'", address, "' is no address to listen on: expected unix:PATH"));
}

absl::Status CheckListenAddress(absl::string_view address, bool has_tls, bool allow_insecure,
                                absl::string_view tls_flags, absl::string_view insecure_flag) {
  if (absl::StartsWith(address, kUnixScheme)) return CheckGrpcListen(std::string(address));
  S2P_ASSIGN_OR_RETURN(ListenAddress parsed, ParseListenAddress(address));
  if (has_tls || allow_insecure || parsed.is_loopback()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("listening on ", address, " would let others in without protection: give ",
                   tls_flags, ", or ", insecure_flag, " if the network itself is safe"));
}

}  // namespace s2p
