#include "server/data_dir_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <string>
#include <system_error>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "model/file.h"

namespace s2p {
namespace {

// What the holder wrote into the lock file; empty if it has not come to that yet.
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

absl::Status Taken(const std::string& data_dir, int descriptor) {
  const std::string pid = HolderOf(descriptor);
  return absl::FailedPreconditionError(
      absl::StrCat(data_dir, ": in use by ", pid.empty() ? "another process" : "process ", pid,
                   "; a data folder serves one process at a time"));
}

}  // namespace

absl::StatusOr<std::unique_ptr<DataDirLock>> DataDirLock::Acquire(const std::string& data_dir) {
  std::error_code error;
  std::filesystem::create_directories(data_dir, error);
  if (error) return FileError(error.value(), data_dir, "create folder");
  const std::string path = absl::StrCat(data_dir, "/lock");
  const int descriptor = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (descriptor < 0) return FileError(errno, path, "open");
  // From here on the descriptor has an owner.
  std::unique_ptr<DataDirLock> lock(new DataDirLock(descriptor));
  while (flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    if (errno == EWOULDBLOCK) return Taken(data_dir, descriptor);
    return FileError(errno, path, "lock");
  }
  // Only for the message that a second process gives, so it need not be durable, and a full disk
  // must not keep us from reading.
  const std::string pid = absl::StrCat(getpid(), "\n");
  if (ftruncate(descriptor, 0) == 0) {
    [[maybe_unused]] const ssize_t written = pwrite(descriptor, pid.data(), pid.size(), 0);
  }
  return lock;
}

DataDirLock::~DataDirLock() { close(descriptor_); }

}  // namespace s2p
