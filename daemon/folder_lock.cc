#include "daemon/folder_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <string>
#include <system_error>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace s2p {
namespace {

absl::Status SystemError(int error_number, const std::string& path, const char* what) {
  const std::string message = absl::StrCat(path, ": ", what);
  const absl::Status status = absl::ErrnoToStatus(error_number, message);
  if (error_number == EROFS) return absl::PermissionDeniedError(status.message());
  return status;
}

// The process id that the holder wrote into the lock file; empty if it has not yet.
std::string HolderOf(int descriptor) {
  char text[32];
  const ssize_t size = pread(descriptor, text, sizeof(text), 0);
  if (size <= 0) return "";
  const std::string pid(absl::StripAsciiWhitespace({text, static_cast<size_t>(size)}));
  for (char c : pid) {
    if (!absl::ascii_isdigit(static_cast<unsigned char>(c))) return "";
  }
  return pid;
}

absl::Status Taken(const std::string& folder, int descriptor) {
  const std::string pid = HolderOf(descriptor);
  return absl::FailedPreconditionError(absl::StrCat(folder, ": in use by ",
                                                    pid.empty() ? "another process" : "process ",
                                                    pid, "; it serves one process at a time"));
}

}  // namespace

absl::StatusOr<std::unique_ptr<FolderLock>> FolderLock::Acquire(const std::string& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return SystemError(error.value(), folder, "create folder");
  const std::string path = absl::StrCat(folder, "/lock");
  const int descriptor = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (descriptor < 0) return SystemError(errno, path, "open");
  // Now the descriptor has an owner.
  std::unique_ptr<FolderLock> lock(new FolderLock(descriptor));
  while (flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    if (errno == EWOULDBLOCK) return Taken(folder, descriptor);
    return SystemError(errno, path, "lock");
  }
  // The id is only for a second process's message, so it need not be durable, and a full disk is no
  // reason to fail.
  const std::string pid = absl::StrCat(getpid(), "\n");
  if (ftruncate(descriptor, 0) == 0) {
    [[maybe_unused]] const ssize_t written = pwrite(descriptor, pid.data(), pid.size(), 0);
  }
  return lock;
}

FolderLock::~FolderLock() { close(descriptor_); }

}  // namespace s2p
