// Whole files that the client reads and writes.
#ifndef S2P_CLIENT_FILES_H_
#define S2P_CLIENT_FILES_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace s2p {

// No server accepts larger images. The actual limit is the server's: --max-image-bytes and
// --max-message-bytes of s2p-server.
inline constexpr uint64_t kMaxImageFileBytes = uint64_t{64} << 20;

// Reads a whole file. NotFound if it does not exist; FailedPrecondition for a folder, an empty file
// or more than `max_bytes`; PermissionDenied if it cannot be read.
absl::StatusOr<std::string> ReadImageFile(const std::string& path,
                                          uint64_t max_bytes = kMaxImageFileBytes);

// Creates or replaces a file. Errors name the file.
absl::Status WriteFile(const std::string& path, absl::string_view bytes);

}  // namespace s2p

#endif  // S2P_CLIENT_FILES_H_
