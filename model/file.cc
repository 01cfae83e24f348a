#include "model/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace s2p {
namespace {

absl::Status WriteAll(int descriptor, absl::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t written = write(descriptor, bytes.data(), bytes.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return FileError(errno, path, "write");
    }
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status FileError(int error_number, absl::string_view path, absl::string_view what) {
  const std::string message = absl::StrCat(path, ": ", what);
  const absl::Status status = absl::ErrnoToStatus(error_number, message);
  if (error_number == EROFS) return absl::PermissionDeniedError(status.message());
  return status;
}

absl::StatusOr<InputFile> InputFile::Open(const std::string& path) {
  // O_NONBLOCK: opening a pipe must not wait for its writer. It has no effect on regular files.
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) return FileError(errno, path, "open");
  struct stat status {};
  if (fstat(descriptor, &status) != 0) {
    const int error_number = errno;
    close(descriptor);
    return FileError(error_number, path, "stat");
  }
  if (!S_ISREG(status.st_mode)) {
    close(descriptor);
    return absl::FailedPreconditionError(absl::StrCat(path, ": not a regular file"));
  }
  return InputFile(path, descriptor, static_cast<uint64_t>(status.st_size));
}

InputFile::InputFile(InputFile&& other) noexcept
    : path_(std::move(other.path_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      size_bytes_(other.size_bytes_) {}

InputFile::~InputFile() {
  if (descriptor_ >= 0) close(descriptor_);
}

absl::Status InputFile::Read(char* out, size_t size) {
  while (size > 0) {
    const ssize_t got = read(descriptor_, out, size);
    if (got < 0) {
      if (errno == EINTR) continue;
      return FileError(errno, path_, "read");
    }
    if (got == 0) return absl::DataLossError(absl::StrCat(path_, ": ends early"));
    out += got;
    size -= static_cast<size_t>(got);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> ReadWholeFile(const std::string& path, uint64_t max_bytes) {
  S2P_ASSIGN_OR_RETURN(InputFile file, InputFile::Open(path));
  if (file.size_bytes() > max_bytes) {
    return absl::DataLossError(absl::StrCat(path, ": ", file.size_bytes(),
                                            " bytes, which is above the limit of ", max_bytes));
  }
  std::string bytes(file.size_bytes(), '\0');
  S2P_RETURN_IF_ERROR(file.Read(&bytes[0], bytes.size()));
  return bytes;
}

absl::Status WriteFileSynced(const std::string& path, absl::Span<const absl::string_view> pieces) {
  const int descriptor = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (descriptor < 0) return FileError(errno, path, "create");
  absl::Status status;
  for (absl::string_view piece : pieces) {
    status = WriteAll(descriptor, piece, path);
    if (!status.ok()) break;
  }
  if (status.ok() && fsync(descriptor) != 0) status = FileError(errno, path, "sync");
  // Some file systems report a full disk only here.
  if (close(descriptor) != 0 && status.ok()) status = FileError(errno, path, "close");
  return status;
}

absl::Status SyncFile(const std::string& path) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return FileError(errno, path, "open");
  const int result = fsync(descriptor);
  const int error_number = errno;
  close(descriptor);
  return result == 0 ? absl::OkStatus() : FileError(error_number, path, "sync");
}

absl::Status SyncDirectory(const std::string& path) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return FileError(errno, path, "open");
  const int result = fsync(descriptor);
  const int error_number = errno;
  close(descriptor);
  if (result != 0) return FileError(error_number, path, "sync");
  return absl::OkStatus();
}

}  // namespace s2p
