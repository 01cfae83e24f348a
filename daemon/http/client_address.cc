#include "daemon/http/client_address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace s2p {
namespace {

constexpr int kAllBits = 128;
// ::ffff:0:0/96, which holds the IPv4 addresses.
constexpr std::array<uint8_t, 12> kIpv4Prefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr int kIpv4PrefixBits = 96;
constexpr int kSiteBits = 64;

using Bytes = std::array<uint8_t, 16>;

bool IsIpv4(const Bytes& bytes) {
  return std::equal(kIpv4Prefix.begin(), kIpv4Prefix.end(), bytes.begin());
}

std::optional<Bytes> Read(absl::string_view text) {
  const std::string address(text);
  Bytes bytes = {};
  if (inet_pton(AF_INET6, address.c_str(), bytes.data()) == 1) return bytes;
  std::copy(kIpv4Prefix.begin(), kIpv4Prefix.end(), bytes.begin());
  if (inet_pton(AF_INET, address.c_str(), bytes.data() + kIpv4Prefix.size()) == 1) return bytes;
  return std::nullopt;
}

// Zeroes what follows the first `bits`.
Bytes Masked(Bytes bytes, int bits) {
  for (int i = 0; i < kAllBits / 8; ++i) {
    const int kept = std::clamp(bits - 8 * i, 0, 8);
    bytes[static_cast<size_t>(i)] &= static_cast<uint8_t>(0xff00 >> kept);
  }
  return bytes;
}

}  // namespace

bool IsAddress(absl::string_view text) { return Read(text).has_value(); }

std::string AddressGroup(absl::string_view address) {
  const auto bytes = Read(address);
  if (!bytes.has_value()) return std::string(address);
  char text[INET6_ADDRSTRLEN] = {};
  if (IsIpv4(*bytes)) {
    inet_ntop(AF_INET, bytes->data() + kIpv4Prefix.size(), text, sizeof(text));
    return text;
  }
  inet_ntop(AF_INET6, Masked(*bytes, kSiteBits).data(), text, sizeof(text));
  return absl::StrCat(text, "/", kSiteBits);
}

absl::StatusOr<AddressSet> AddressSet::Parse(const std::vector<std::string>& texts) {
  AddressSet set;
  for (const std::string& text : texts) {
    const size_t slash = text.find('/');
    const auto bytes = Read(absl::string_view(text).substr(0, slash));
    int bits = kAllBits;
    bool good = bytes.has_value();
    if (good && slash != std::string::npos) {
      const int first = IsIpv4(*bytes) ? kIpv4PrefixBits : 0;
      good =
          absl::SimpleAtoi(text.substr(slash + 1), &bits) && bits >= 0 && bits <= kAllBits - first;
      bits += first;
    }
    if (!good) {
      return absl::InvalidArgumentError(absl::StrCat(
          "'", text, "' is no address such as 192.0.2.7 and no network such as 10.0.0.0/8"));
    }
    set.networks_.push_back({Masked(*bytes, bits), bits});
  }
  return set;
}

bool AddressSet::Contains(absl::string_view address) const {
  const auto bytes = Read(address);
  return bytes.has_value() &&
         std::any_of(networks_.begin(), networks_.end(), [&](const Network& network) {
           return Masked(*bytes, network.prefix_bits) == network.bytes;
         });
}

absl::Status CheckNetwork(const std::string& text) { return AddressSet::Parse({text}).status(); }

}  // namespace s2p
