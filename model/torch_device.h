// Which device a network runs on, by the name that users write.
#ifndef S2P_MODEL_TORCH_DEVICE_H_
#define S2P_MODEL_TORCH_DEVICE_H_

#include <torch/torch.h>

#include <string>

#include "absl/status/statusor.h"

namespace s2p {

// "auto" (cuda:0 where there is a GPU, else the CPU), "cpu" or "cuda:N". InvalidArgument for
// another name, or a device that is not there.
absl::StatusOr<torch::Device> SelectDevice(const std::string& name);

}  // namespace s2p

#endif  // S2P_MODEL_TORCH_DEVICE_H_
