#include "daemon/disk_space_gauges.h"

#include <prometheus/gauge.h>
#include <prometheus/registry.h>

#include "daemon/disk_space.h"
#include "daemon/metric_family.h"

namespace s2p {

using prometheus::BuildGauge;

DiskSpaceGauges::DiskSpaceGauges(prometheus::Registry& registry)
    : free_(RegisterFamily(BuildGauge(), "s2p_disk_free_bytes",
                           "Room left on the file system that the program writes to.", registry)
                .Add({})),
      size_(RegisterFamily(BuildGauge(), "s2p_disk_size_bytes",
                           "Size of the file system that the program writes to.", registry)
                .Add({})) {}

void DiskSpaceGauges::Measure(const std::string& path) {
  const auto space = MeasureDiskSpace(path);
  if (!space.ok()) return;
  free_.Set(static_cast<double>(space->free_bytes));
  size_.Set(static_cast<double>(space->size_bytes));
}

}  // namespace s2p
