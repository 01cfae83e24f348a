// The address that a program listens on, as text: HOST:PORT.
#ifndef S2P_DAEMON_LISTEN_ADDRESS_H_
#define S2P_DAEMON_LISTEN_ADDRESS_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace s2p {

// A plain value.
struct ListenAddress {
  // A name or number, without the brackets of IPv6.
  std::string host;
  // 0: the system picks a free one.
  uint16_t port = 0;

  // "127.0.0.1:50051", "[::1]:50051".
  std::string ToString() const;
  // 127.0.0.0/8, ::1 or the name "localhost". Other names are not resolved and count as outside.
  bool is_loopback() const;
};

// Reads "HOST:PORT"; IPv6 hosts are in brackets, and an empty host (":50051") or "*" means every
// interface, "0.0.0.0". InvalidArgument quotes the text.
absl::StatusOr<ListenAddress> ParseListenAddress(absl::string_view text);

// Check a flag before anything starts. InvalidArgument unless the address is HOST:PORT; gRPC also
// takes "unix:PATH".
absl::Status CheckHttpListen(const std::string& address);
absl::Status CheckGrpcListen(const std::string& address);

// Beyond loopback, anyone who can reach the port can read and change everything and see all
// pictures, so such an address needs TLS or an operator who says that the network is safe. A socket
// in the file system, "unix:PATH", which only gRPC takes, is protected by its folder's permissions
// and counts as loopback. InvalidArgument says what to do; `tls_flags` are the program's flags for
// TLS, `insecure_flag` the one that sets `allow_insecure`.
absl::Status CheckListenAddress(absl::string_view address, bool has_tls, bool allow_insecure,
                                absl::string_view tls_flags = "--tls-cert and --tls-key",
                                absl::string_view insecure_flag = "--insecure");

}  // namespace s2p

#endif  // S2P_DAEMON_LISTEN_ADDRESS_H_
