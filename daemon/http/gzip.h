// Bodies in gzip's format.
#ifndef S2P_DAEMON_HTTP_GZIP_H_
#define S2P_DAEMON_HTTP_GZIP_H_

#include <cstddef>
#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace s2p {

std::string Gzip(absl::string_view bytes);

// The bytes that a client compressed as "gzip" or "deflate". `has_room` is asked before the result
// grows to that many bytes; OutOfRange when it says no. InvalidArgument for damaged bytes.
absl::StatusOr<std::string> Gunzip(absl::string_view compressed,
                                   const std::function<bool(size_t)>& has_room);

}  // namespace s2p

#endif  // S2P_DAEMON_HTTP_GZIP_H_
