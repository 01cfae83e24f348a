// How much room is left where a program keeps its files.
#ifndef S2P_DAEMON_DISK_SPACE_H_
#define S2P_DAEMON_DISK_SPACE_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace s2p {

// Of one file system, for a process without privileges.
struct DiskSpace {
  uint64_t free_bytes = 0;
  uint64_t size_bytes = 0;
};

// Of the file system that `path` is on. NotFound names a path that cannot be asked.
absl::StatusOr<DiskSpace> MeasureDiskSpace(const std::string& path);

}  // namespace s2p

#endif  // S2P_DAEMON_DISK_SPACE_H_
