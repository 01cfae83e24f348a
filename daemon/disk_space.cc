#include "daemon/disk_space.h"

#include <sys/statvfs.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace s2p {

absl::StatusOr<DiskSpace> MeasureDiskSpace(const std::string& path) {
  struct statvfs status = {};
  if (statvfs(path.c_str(), &status) != 0) {
    return absl::NotFoundError(absl::StrCat(path, ": ", std::strerror(errno)));
  }
  const uint64_t unit = status.f_frsize;
  return DiskSpace{unit * status.f_bavail, unit * status.f_blocks};
}

}  // namespace s2p
