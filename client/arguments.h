// What people type, as the API's messages.
#ifndef S2P_CLIENT_ARGUMENTS_H_
#define S2P_CLIENT_ARGUMENTS_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "s2p/v1/search.pb.h"

namespace s2p {

// "key=value"; the value may be empty and may hold further "=". InvalidArgument naming `flag` if it
// is of another form, or no CheckText.
absl::StatusOr<std::pair<std::string, std::string>> ParsePair(absl::string_view text,
                                                              absl::string_view flag);

// "boots:0.5..1", "boots:0.5.." or "boots:..0.2". InvalidArgument naming the flag; also for a name
// that is no CheckText.
absl::StatusOr<v1::AttributeRange> ParseAttributeRange(absl::string_view text);

// From --filter and --attribute.
absl::StatusOr<v1::Filter> ParseFilter(const std::vector<std::string>& metadata,
                                       const std::vector<std::string>& attributes);

// Larger files are never images that a server takes. How large an image may be is for the server to
// say: --max-image-bytes and --max-message-bytes of s2p-server.
inline constexpr uint64_t kMaxImageFileBytes = uint64_t{64} << 20;

// A whole file. NotFound; FailedPrecondition for a folder, an empty file or one of more than
// `max_bytes`; PermissionDenied if it cannot be read.
absl::StatusOr<std::string> ReadImageFile(const std::string& path,
                                          uint64_t max_bytes = kMaxImageFileBytes);

// Creates or replaces a file. The status names it.
absl::Status WriteFile(const std::string& path, absl::string_view bytes);

}  // namespace s2p

#endif  // S2P_CLIENT_ARGUMENTS_H_
