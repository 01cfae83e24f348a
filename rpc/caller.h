// The program or person behind a call.
#ifndef S2P_RPC_CALLER_H_
#define S2P_RPC_CALLER_H_

#include <string>

#include "absl/strings/string_view.h"

namespace s2p {

// The name of callers where no key is required. No key has this name.
inline constexpr char kAnonymous[] = "anonymous";

// A plain value.
struct Caller {
  // The name of the caller's key, never the key itself.
  std::string name = kAnonymous;
  // As AddressOf.
  std::string address;
  // The person for whom the holder of the key says that it calls, such as a gateway's user:
  // printable, at most 1 KiB. Empty: it names nobody, or has no key. Gives no rights.
  std::string user{};

  // Names whoever shares one place in line: the key, or the address of a caller without one.
  std::string queue() const { return name == kAnonymous ? address : "key " + name; }
};

// The network address in what gRPC calls a peer: "ipv4:10.1.2.3:4711" is "10.1.2.3". Without the
// port, which changes with each connection; of an IPv6 address only the first 64 bits,
// "2001:db8:0:1::/64", because whoever has one address has all of those. "unix" for a socket in the
// file system; anything else is returned whole.
std::string AddressOf(absl::string_view peer);

// Whether an address of AddressOf is this machine: 127.0.0.0/8, ::1 or "unix".
bool IsLoopback(absl::string_view address);

}  // namespace s2p

#endif  // S2P_RPC_CALLER_H_
