#include "client/files.h"

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "absl/strings/str_cat.h"

namespace s2p {

absl::StatusOr<std::string> ReadImageFile(const std::string& path, uint64_t max_bytes) {
  std::error_code error;
  const auto type = std::filesystem::status(path, error).type();
  if (type == std::filesystem::file_type::not_found) {
    return absl::NotFoundError(absl::StrCat(path, ": no such file"));
  }
  if (type != std::filesystem::file_type::regular) {
    return absl::FailedPreconditionError(absl::StrCat(path, ": not a file"));
  }
  const uint64_t size = std::filesystem::file_size(path, error);
  if (error || size == 0) return absl::FailedPreconditionError(absl::StrCat(path, ": is empty"));
  if (size > max_bytes) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, ": has ", size, " bytes; at most ", max_bytes, " are allowed"));
  }
  std::string bytes(size, '\0');
  std::ifstream file(path, std::ios::binary);
  if (!file.read(&bytes[0], static_cast<std::streamsize>(size))) {
    return absl::PermissionDeniedError(absl::StrCat(path, ": cannot be read"));
  }
  return bytes;
}

absl::Status WriteFile(const std::string& path, absl::string_view bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  file.close();
  if (!file) return absl::ErrnoToStatus(errno, absl::StrCat(path, ": cannot be written"));
  return absl::OkStatus();
}

}  // namespace s2p
