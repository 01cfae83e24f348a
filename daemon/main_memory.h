// Main memory that a process may use.
#ifndef S2P_DAEMON_MAIN_MEMORY_H_
#define S2P_DAEMON_MAIN_MEMORY_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace s2p {

// A plain value.
struct MainMemory {
  // Bytes that can be allocated now without swapping: the kernel's MemAvailable or, where it is
  // less, the remainder of the limits of the process's control groups, whose file cache counts as
  // free.
  uint64_t available_bytes = 0;
  // The machine's memory or, where it is less, the smallest limit of these groups.
  uint64_t total_bytes = 0;
};

// Reads /proc and /sys below `root`; control groups of version 1 and 2. NotFound naming the file if
// the kernel does not say.
absl::StatusOr<MainMemory> MeasureMainMemory(const std::string& root = "");

}  // namespace s2p

#endif  // S2P_DAEMON_MAIN_MEMORY_H_
