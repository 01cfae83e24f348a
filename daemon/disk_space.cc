#include "daemon/disk_space.h"

#include <sys/statvfs.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "daemon/options.h"

namespace s2p {
namespace {

std::string Megabytes(uint64_t bytes) {
  return absl::StrFormat("%.1f MiB", static_cast<double>(bytes) / (1 << 20));
}

}  // namespace

absl::StatusOr<DiskSpace> MeasureDiskSpace(const std::string& path) {
  struct statvfs status = {};
  if (statvfs(path.c_str(), &status) != 0) {
    return absl::NotFoundError(absl::StrCat(path, ": ", std::strerror(errno)));
  }
  const uint64_t unit = status.f_frsize;
  return DiskSpace{unit * status.f_bavail, unit * status.f_blocks};
}

absl::StatusOr<MinFree> ParseMinFree(absl::string_view text) {
  const absl::Status wrong = absl::InvalidArgumentError(
      absl::StrCat("'", text, "' is not a size, a share of the disk, or both, such as 5%,1GiB"));
  const std::vector<absl::string_view> parts = absl::StrSplit(text, ',');
  if (parts.size() > 2) return wrong;
  MinFree result = {std::numeric_limits<uint64_t>::max(), 1};
  for (absl::string_view part : parts) {
    part = absl::StripAsciiWhitespace(part);
    double percent = 0;
    if (absl::ConsumeSuffix(&part, "%")) {
      if (!absl::SimpleAtod(part, &percent) || !(percent >= 0 && percent <= 100)) return wrong;
      result.share = std::min(result.share, percent / 100);
      continue;
    }
    const absl::StatusOr<uint64_t> bytes = ParseBytes(part);
    if (!bytes.ok()) return wrong;
    result.bytes = std::min(result.bytes, *bytes);
  }
  return result;
}

uint64_t DiskReserve::BytesOf(const DiskSpace& disk) const {
  const double share = min_free_.share * static_cast<double>(disk.size_bytes);
  return std::min(min_free_.bytes, static_cast<uint64_t>(share));
}

absl::Status DiskReserve::Check(uint64_t bytes) const {
  const absl::StatusOr<DiskSpace> disk = measure_();
  if (!disk.ok()) return absl::OkStatus();
  const uint64_t reserve = BytesOf(*disk);
  if (reserve == 0 || disk->free_bytes >= reserve + bytes) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat(
      "the server's disk has ", Megabytes(disk->free_bytes), " free and keeps ", Megabytes(reserve),
      " for deletions (--min-free): photos, metadata and new models are refused until some space "
      "is free"));
}

}  // namespace s2p
