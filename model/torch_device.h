// Selects the device that a network runs on, by the name that users write.
#ifndef S2P_MODEL_TORCH_DEVICE_H_
#define S2P_MODEL_TORCH_DEVICE_H_

#include <torch/types.h>

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace s2p {

// "auto" (cuda:0 if there is a GPU, else the CPU), "cpu" or "cuda:N". InvalidArgument for another
// name, or a device that is not available.
absl::StatusOr<torch::Device> SelectDevice(const std::string& name);

// InvalidArgument for a CPU on which bfloat16 is ten times slower than float32: one without
// AVX512-BF16, or a LibTorch without oneDNN. GPUs always pass.
absl::Status CheckBf16(const torch::Device& device);

}  // namespace s2p

#endif  // S2P_MODEL_TORCH_DEVICE_H_
