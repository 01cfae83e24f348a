// The room on a program's file system as Prometheus metrics.
#ifndef S2P_DAEMON_DISK_SPACE_GAUGES_H_
#define S2P_DAEMON_DISK_SPACE_GAUGES_H_

#include <string>

namespace prometheus {
class Gauge;
class Registry;
}  // namespace prometheus

namespace s2p {

// s2p_disk_free_bytes and s2p_disk_size_bytes, in bytes, of the file system that the program writes
// to. Thread-safe.
class DiskSpaceGauges {
 public:
  // `registry` must outlive it.
  explicit DiskSpaceGauges(prometheus::Registry& registry);

  // Sets them for the file system that `path` is on; they stay as they are where it cannot be
  // asked.
  void Measure(const std::string& path);

 private:
  prometheus::Gauge& free_;
  prometheus::Gauge& size_;
};

}  // namespace s2p

#endif  // S2P_DAEMON_DISK_SPACE_GAUGES_H_
