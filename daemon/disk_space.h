// Free space on the disk of a program's files.
#ifndef S2P_DAEMON_DISK_SPACE_H_
#define S2P_DAEMON_DISK_SPACE_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace s2p {

// Space of one file system, for a process without privileges. A plain value.
struct DiskSpace {
  uint64_t free_bytes = 0;
  uint64_t size_bytes = 0;
};

// Measures the file system of `path`. NotFound names a path that cannot be examined.
absl::StatusOr<DiskSpace> MeasureDiskSpace(const std::string& path);

}  // namespace s2p

#endif  // S2P_DAEMON_DISK_SPACE_H_
