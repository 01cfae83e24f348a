// The name under which one call appears in every log.
#ifndef S2P_RPC_REQUEST_ID_H_
#define S2P_RPC_REQUEST_ID_H_

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace s2p {

// Of the request's metadata, and of the trailing metadata of every reply.
inline constexpr char kRequestIdKey[] = "x-request-id";
inline constexpr size_t kMaxRequestIdBytes = 128;

// 1 to 128 visible ASCII characters: what can be put into a log line and a header as it is.
bool IsRequestId(absl::string_view text);

// The client's own, if it sent a good one; else 128 random bits in hex. Thread-safe.
std::string RequestIdOr(absl::string_view sent);

}  // namespace s2p

#endif  // S2P_RPC_REQUEST_ID_H_
