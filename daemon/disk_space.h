// Free space on the disk of a program's files.
#ifndef S2P_DAEMON_DISK_SPACE_H_
#define S2P_DAEMON_DISK_SPACE_H_

#include <cstdint>
#include <functional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace s2p {

// Space of one file system, for a process without privileges. A plain value.
struct DiskSpace {
  uint64_t free_bytes = 0;
  uint64_t size_bytes = 0;
};

// Measures the file system of `path`. NotFound names a path that cannot be examined.
absl::StatusOr<DiskSpace> MeasureDiskSpace(const std::string& path);

// Free space that a program leaves on its disk: a share of the disk, or a size if that is less. A
// plain value.
struct MinFree {
  uint64_t bytes = uint64_t{1} << 30;
  // The share of the disk, in [0, 1].
  double share = 0.05;
};

// "5%,1GiB" (whichever is less), "10%", "512MiB", "0". InvalidArgument says what is expected.
absl::StatusOr<MinFree> ParseMinFree(absl::string_view text);

// Keeps room on a disk for what makes room: deletions need some before they give any. Immutable;
// thread-safe if `measure` is.
class DiskReserve {
 public:
  using Measure = std::function<absl::StatusOr<DiskSpace>()>;

  DiskReserve(MinFree min_free, Measure measure)
      : min_free_(min_free), measure_(std::move(measure)) {}

  // OK if the disk keeps its reserve after `bytes` more. ResourceExhausted names the free space and
  // the flag --min-free. OK also if the disk cannot be measured: writing to it will tell.
  absl::Status Check(uint64_t bytes) const;
  // The reserve of a disk of this size.
  uint64_t BytesOf(const DiskSpace& disk) const;

 private:
  const MinFree min_free_;
  const Measure measure_;
};

}  // namespace s2p

#endif  // S2P_DAEMON_DISK_SPACE_H_
