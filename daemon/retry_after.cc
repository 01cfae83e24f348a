#include "daemon/retry_after.h"

#include <cstdint>
#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace s2p {
namespace {

// Type of the status's payload: milliseconds in decimal.
constexpr char kRetryAfter[] = "s2p/retry-after-ms";

}  // namespace

absl::Status BusyError(absl::string_view message, absl::Duration after) {
  absl::Status status = absl::ResourceExhaustedError(message);
  status.SetPayload(kRetryAfter, absl::Cord(absl::StrCat(absl::ToInt64Milliseconds(after))));
  return status;
}

std::optional<absl::Duration> RetryAfter(const absl::Status& status) {
  const absl::optional<absl::Cord> payload = status.GetPayload(kRetryAfter);
  int64_t milliseconds = 0;
  if (!payload || !absl::SimpleAtoi(std::string(*payload), &milliseconds)) return std::nullopt;
  return absl::Milliseconds(milliseconds);
}

}  // namespace s2p
