// The numeric addresses of clients.
#ifndef S2P_DAEMON_HTTP_CLIENT_ADDRESS_H_
#define S2P_DAEMON_HTTP_CLIENT_ADDRESS_H_

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace s2p {

// Whether the text is an address, IPv4 or IPv6.
bool IsAddress(absl::string_view text);

// Returns the addresses that one client can be assumed to have: an IPv4 address, also if written as
// IPv6, or the network 2001:db8::/64 of an IPv6 address, in which a client picks its addresses
// itself. `address` is returned unchanged if it is no number.
std::string AddressGroup(absl::string_view address);

// A set of addresses, from "192.0.2.7", "10.0.0.0/8" or "2001:db8::/32". Immutable.
class AddressSet {
 public:
  AddressSet() = default;
  // InvalidArgument quotes a text that is no address or network.
  static absl::StatusOr<AddressSet> Parse(const std::vector<std::string>& texts);

  // False for a text that is no address.
  bool Contains(absl::string_view address) const;
  bool empty() const { return networks_.empty(); }

 private:
  struct Network {
    std::array<uint8_t, 16> bytes;
    int prefix_bits;
  };
  std::vector<Network> networks_;
};

// As AddressSet::Parse, for one address or network, to check a flag.
absl::Status CheckNetwork(const std::string& text);

}  // namespace s2p

#endif  // S2P_DAEMON_HTTP_CLIENT_ADDRESS_H_
