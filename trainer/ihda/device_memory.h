// The meaning of a device without free memory for a training run.
#ifndef S2P_TRAINER_IHDA_DEVICE_MEMORY_H_
#define S2P_TRAINER_IHDA_DEVICE_MEMORY_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace s2p {

// ResourceExhausted, as TorchError gives it, becomes FailedPrecondition with the advice, because in
// a run it means a full disk, which is waited for, and waiting frees no device. Other statuses stay
// as they are.
absl::Status WithoutDeviceMemory(const absl::Status& status, absl::string_view advice);

}  // namespace s2p

#endif  // S2P_TRAINER_IHDA_DEVICE_MEMORY_H_
