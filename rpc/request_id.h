// The name under which one call appears in every log.
#ifndef S2P_RPC_REQUEST_ID_H_
#define S2P_RPC_REQUEST_ID_H_

#include <grpcpp/support/string_ref.h>

#include <cstddef>
#include <map>
#include <string>

#include "absl/strings/string_view.h"

namespace s2p {

// Key in the request's metadata and in the trailing metadata of every reply.
inline constexpr char kRequestIdKey[] = "x-request-id";
inline constexpr size_t kMaxRequestIdBytes = 128;

// 1 to 128 visible ASCII characters, which need no escaping in a log line or a header.
bool IsRequestId(absl::string_view text);

// Returns the id that the client sent if it is a good one, else 128 random bits in hex.
// Thread-safe.
std::string RequestIdOr(absl::string_view sent);

// The same, from ServerContextBase::client_metadata().
std::string RequestIdOf(const std::multimap<grpc::string_ref, grpc::string_ref>& metadata);

}  // namespace s2p

#endif  // S2P_RPC_REQUEST_ID_H_
