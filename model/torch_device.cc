#include "model/torch_device.h"

#include <torch/cuda.h>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "model/precision.h"

namespace s2p {

absl::StatusOr<torch::Device> SelectDevice(const std::string& name) {
  const int gpus = static_cast<int>(torch::cuda::device_count());
  if (name == "cpu") return torch::Device(torch::kCPU);
  if (name == "auto") {
    return gpus > 0 ? torch::Device(torch::kCUDA, 0) : torch::Device(torch::kCPU);
  }
  absl::string_view number = name;
  int index = 0;
  if (!absl::ConsumePrefix(&number, "cuda:") || number.empty() || number.size() > 3 ||
      !absl::SimpleAtoi(number, &index) || index < 0 || absl::StrCat(index) != number) {
    return absl::InvalidArgumentError(
        absl::StrCat("device: '", name, "' is not one of auto, cpu, cuda:0, cuda:1, ..."));
  }
  if (index >= gpus) {
    return absl::InvalidArgumentError(absl::StrCat(
        "device: ", name, " is not available; this process sees ", gpus, " CUDA device(s)"));
  }
  return torch::Device(torch::kCUDA, static_cast<c10::DeviceIndex>(index));
}

bool CpuHasBf16() {
#if defined(__x86_64__)
  return at::hasMKLDNN() && __builtin_cpu_supports("avx512bf16");
#else
  return false;
#endif
}

absl::Status CheckBf16(const torch::Device& device) {
  if (!device.is_cpu()) return absl::OkStatus();
  if (CpuHasBf16()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "BF16 on a CPU needs AVX512-BF16, which this CPU lacks; use a GPU or FP32");
}

}  // namespace s2p
