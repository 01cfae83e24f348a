// Where a server is, as people write it.
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
  // A name or number, without the brackets of IPv6; empty for a socket in the file system, and
  // where gRPC alone understands the address.
  std::string host;
  uint16_t port = 0;
};

// Reads "HOST:PORT" with IPv6 hosts in brackets, with or without "dns:" before it. "unix:PATH" and
// gRPC's other schemes are taken as they are. InvalidArgument quotes the text and says what is
// expected, also for port 0 and for "http://...".
absl::StatusOr<ServerAddress> ParseServerAddress(absl::string_view text);

// The status of ParseServerAddress: to check a flag.
absl::Status CheckServerAddress(const std::string& text);

}  // namespace s2p

#endif  // S2P_CLIENT_CONNECTION_SERVER_ADDRESS_H_
