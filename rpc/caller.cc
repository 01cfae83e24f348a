#include "rpc/caller.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <cstring>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"

namespace s2p {
namespace {

constexpr char kUnix[] = "unix";
constexpr char kLoopback6[] = "::1";

std::string Ipv6Network(absl::string_view host) {
  // A zone names an interface of this machine: "fe80::1%eth0".
  host = host.substr(0, host.find('%'));
  in6_addr number = {};
  if (inet_pton(AF_INET6, std::string(host).c_str(), &number) != 1) return std::string(host);
  char text[INET6_ADDRSTRLEN] = {};
  if (IN6_IS_ADDR_V4MAPPED(&number)) {
    return inet_ntop(AF_INET, &number.s6_addr[12], text, sizeof text);
  }
  if (IN6_IS_ADDR_LOOPBACK(&number)) return kLoopback6;
  std::memset(&number.s6_addr[8], 0, 8);
  return absl::StrCat(inet_ntop(AF_INET6, &number, text, sizeof text), "/64");
}

}  // namespace

std::string AddressOf(absl::string_view peer) {
  if (absl::StartsWith(peer, "unix:")) return kUnix;
  absl::string_view host = peer.substr(0, peer.rfind(':'));
  if (absl::ConsumePrefix(&host, "ipv4:")) return std::string(host);
  if (!absl::ConsumePrefix(&host, "ipv6:")) return std::string(peer);
  // gRPC writes the brackets as in a URI.
  const std::string plain =
      absl::StrReplaceAll(host, {{"%5B", ""}, {"%5D", ""}, {"[", ""}, {"]", ""}, {"%25", "%"}});
  return Ipv6Network(plain);
}

bool IsLoopback(absl::string_view address) {
  return address == kUnix || address == kLoopback6 || absl::StartsWith(address, "127.");
}

}  // namespace s2p
