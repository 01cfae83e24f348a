#include "client/connection/proxy.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <memory>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace s2p {
namespace {

// An address as 16 bytes. IPv4 is mapped to IPv6, so that both forms of an address are equal.
using Number = std::array<uint8_t, 16>;

constexpr int kMappedBits = 96;

Number Mapped(const in_addr& v4) {
  Number number = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
  const auto* bytes = reinterpret_cast<const uint8_t*>(&v4.s_addr);
  std::copy(bytes, bytes + 4, number.begin() + kMappedBits / 8);
  return number;
}

Number Mapped(const in6_addr& v6) {
  Number number;
  std::copy(v6.s6_addr, v6.s6_addr + 16, number.begin());
  return number;
}

// Returns nothing for a name. Ignores the zone of a link-local address.
std::optional<Number> NumberOf(absl::string_view host) {
  const std::string text(host.substr(0, host.find('%')));
  in_addr v4;
  in6_addr v6;
  if (inet_pton(AF_INET, text.c_str(), &v4) == 1) return Mapped(v4);
  if (inet_pton(AF_INET6, text.c_str(), &v6) == 1) return Mapped(v6);
  return std::nullopt;
}

bool HaveEqualBits(const Number& a, const Number& b, int bits) {
  const int whole = bits / 8;
  if (!std::equal(a.begin(), a.begin() + whole, b.begin())) return false;
  const auto i = static_cast<size_t>(whole);
  return bits % 8 == 0 || (a[i] >> (8 - bits % 8)) == (b[i] >> (8 - bits % 8));
}

// `range` is written as "10.0.0.0/8". Also false if it is not a range.
bool IsInRange(absl::string_view range, const Number& number) {
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(range, absl::MaxSplits('/', 1));
  const auto network = NumberOf(parts.first);
  int bits = 0;
  if (!network || !absl::SimpleAtoi(parts.second, &bits) || bits < 0) return false;
  if (!absl::StrContains(parts.first, ':')) bits += kMappedBits;
  return bits <= 128 && HaveEqualBits(*network, number, bits);
}

bool IsLoopback(const Number& number) {
  static const Number v4 = *NumberOf("127.0.0.0"), v6 = *NumberOf("::1");
  // The unspecified address reaches this machine.
  static const Number any4 = *NumberOf("0.0.0.0"), any6 = *NumberOf("::");
  return HaveEqualBits(number, v4, kMappedBits + 8) || number == v6 || number == any4 ||
         number == any6;
}

bool IsOwnAddress(const Number& number) {
  ifaddrs* first = nullptr;
  if (getifaddrs(&first) != 0) return false;
  const std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> owned(first, &freeifaddrs);
  for (const ifaddrs* at = first; at != nullptr; at = at->ifa_next) {
    if (at->ifa_addr == nullptr) continue;
    if (at->ifa_addr->sa_family == AF_INET) {
      if (Mapped(reinterpret_cast<const sockaddr_in*>(at->ifa_addr)->sin_addr) == number)
        return true;
    } else if (at->ifa_addr->sa_family == AF_INET6) {
      if (Mapped(reinterpret_cast<const sockaddr_in6*>(at->ifa_addr)->sin6_addr) == number)
        return true;
    }
  }
  return false;
}

// `name` in lower case and without a final dot.
std::string PlainName(absl::string_view name) {
  absl::ConsumeSuffix(&name, ".");
  return absl::AsciiStrToLower(name);
}

std::string OwnName() {
  char name[256] = "";
  return gethostname(name, sizeof(name) - 1) == 0 ? PlainName(name) : "";
}

// Removes port and brackets from "[::1]:80", "example.org:80" or "::1".
absl::string_view WithoutPort(absl::string_view entry) {
  if (absl::ConsumePrefix(&entry, "[")) return entry.substr(0, entry.find(']'));
  const size_t colon = entry.find(':');
  return colon != entry.rfind(':') ? entry : entry.substr(0, colon);
}

bool EntryCovers(absl::string_view entry, absl::string_view host,
                 const std::optional<Number>& number) {
  if (entry == "*") return true;
  if (absl::StrContains(entry, '/')) return number && IsInRange(entry, *number);
  entry = WithoutPort(entry);
  if (number) return NumberOf(entry) == number;
  absl::ConsumePrefix(&entry, "*");
  absl::ConsumePrefix(&entry, ".");
  const std::string name = PlainName(entry), wanted = PlainName(host);
  return !name.empty() && (wanted == name || absl::EndsWith(wanted, absl::StrCat(".", name)));
}

// Turns "http://user:password@proxy:3128/" into "http://proxy:3128/".
std::string WithoutCredentials(absl::string_view url) {
  const size_t scheme = url.find("://");
  const size_t begin = scheme == absl::string_view::npos ? 0 : scheme + 3;
  const absl::string_view authority = url.substr(begin, url.find('/', begin) - begin);
  const size_t at = authority.rfind('@');
  if (at == absl::string_view::npos) return std::string(url);
  return absl::StrCat(url.substr(0, begin), url.substr(begin + at + 1));
}

}  // namespace

bool IsThisMachine(absl::string_view host) {
  const auto number = NumberOf(host);
  if (number) return IsLoopback(*number) || IsOwnAddress(*number);
  const std::string name = PlainName(host);
  return name == "localhost" || absl::EndsWith(name, ".localhost") ||
         (!name.empty() && name == OwnName());
}

bool IsCoveredBy(absl::string_view no_proxy, absl::string_view host) {
  const auto number = NumberOf(host);
  for (const absl::string_view entry :
       absl::StrSplit(no_proxy, absl::ByAnyChar(", \t\r\n"), absl::SkipEmpty())) {
    if (EntryCovers(entry, host, number)) return true;
  }
  return false;
}

std::optional<Proxy> ProxyTo(absl::string_view host) {
  if (host.empty() || IsThisMachine(host)) return std::nullopt;
  for (const char* name : {"no_grpc_proxy", "no_proxy", "NO_PROXY"}) {
    const char* value = std::getenv(name);
    if (value != nullptr && IsCoveredBy(value, host)) return std::nullopt;
  }
  for (const char* name : {"grpc_proxy", "https_proxy", "http_proxy"}) {
    const char* value = std::getenv(name);
    if (value == nullptr) continue;
    // gRPC uses the first that is set; an empty value or another scheme means no proxy.
    if (!absl::StartsWith(value, "http://")) return std::nullopt;
    return Proxy{name, WithoutCredentials(value)};
  }
  return std::nullopt;
}

}  // namespace s2p
