// Addresses of servers, as people write them.
#ifndef S2P_CLIENT_CONNECTION_SERVER_ADDRESS_H_
#define S2P_CLIENT_CONNECTION_SERVER_ADDRESS_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace s2p {

// A plain value.
struct ServerAddress {
  // A name or number, without the brackets of IPv6; empty for a socket in the file system and for
  // addresses that only gRPC understands.
  std::string host;
  uint16_t port = 0;
};

// Reads "HOST:PORT" with IPv6 hosts in brackets, with or without a leading "dns:". Accepts
// "unix:PATH" and gRPC's other schemes unchanged. InvalidArgument quotes the text and says what is
// expected, also for port 0 and for "http://...".
absl::StatusOr<ServerAddress> ParseServerAddress(absl::string_view text);

// The status of ParseServerAddress, for checking a flag.
absl::Status CheckServerAddress(const std::string& text);

}  // namespace s2p

#endif  // S2P_CLIENT_CONNECTION_SERVER_ADDRESS_H_
