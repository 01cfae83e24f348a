#include "trainer/ihda/device_memory.h"

#include "absl/strings/str_cat.h"

namespace s2p {

absl::Status WithoutDeviceMemory(const absl::Status& status, absl::string_view advice) {
  if (!absl::IsResourceExhausted(status)) return status;
  return absl::FailedPreconditionError(absl::StrCat(status.message(), "; ", advice));
}

}  // namespace s2p
