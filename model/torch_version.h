// Hides all differences between LibTorch's versions, 1.13 to 2.x.
#ifndef S2P_MODEL_TORCH_VERSION_H_
#define S2P_MODEL_TORCH_VERSION_H_

#include <ATen/autocast_mode.h>
#include <torch/types.h>
#include <torch/version.h>

#include <algorithm>
#include <cmath>
#include <exception>
#include <new>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace s2p {

// Uses full fp32 in matrix products and convolutions on CUDA, in the whole process, whatever the
// version's default: half a mantissa would cost the fourth digit of a cosine.
inline void UseFullFloat32() {
  at::globalContext().setAllowTF32CuBLAS(false);
  at::globalContext().setAllowTF32CuDNN(false);
}

// True for the exceptions of a device or the CPU's allocator when no memory is left. The CPU's
// allocator has no exception type for that in any version, only a message.
inline bool IsOutOfMemory(const std::exception& error) {
  if (dynamic_cast<const c10::OutOfMemoryError*>(&error) != nullptr) return true;
  if (dynamic_cast<const std::bad_alloc*>(&error) != nullptr) return true;
  return absl::StrContains(error.what(), "not enough memory") ||
         absl::StrContains(error.what(), "can't allocate memory") ||
         absl::StrContains(error.what(), "CUDA out of memory");
}

// While it exists and is `enabled`, the calling thread's operations on `device`, CUDA or the CPU,
// run in bfloat16 where that is safe. One thread only.
class Bf16Autocast {
 public:
  Bf16Autocast(bool enabled, at::DeviceType device) : enabled_(enabled), device_(device) {
    if (!enabled_) return;
    was_on_ = IsOn();
#if TORCH_VERSION_MAJOR > 2 || (TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR >= 4)
    at::autocast::set_autocast_dtype(device_, at::kBFloat16);
#else
    if (device_ == at::kCUDA) {
      at::autocast::set_autocast_gpu_dtype(at::kBFloat16);
    } else {
      at::autocast::set_autocast_cpu_dtype(at::kBFloat16);
    }
#endif
    Switch(true);
  }
  ~Bf16Autocast() {
    if (!enabled_) return;
    at::autocast::clear_cache();
    Switch(was_on_);
  }
  Bf16Autocast(const Bf16Autocast&) = delete;
  Bf16Autocast& operator=(const Bf16Autocast&) = delete;

 private:
#if TORCH_VERSION_MAJOR > 2 || (TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR >= 4)
  bool IsOn() const { return at::autocast::is_autocast_enabled(device_); }
  void Switch(bool on) const { at::autocast::set_autocast_enabled(device_, on); }
#else
  bool IsOn() const {
    return device_ == at::kCUDA ? at::autocast::is_enabled() : at::autocast::is_cpu_enabled();
  }
  void Switch(bool on) const {
    if (device_ == at::kCUDA) {
      at::autocast::set_enabled(on);
    } else {
      at::autocast::set_cpu_enabled(on);
    }
  }
#endif

  const bool enabled_;
  const at::DeviceType device_;
  bool was_on_ = false;
};

// softmax(q k^T / sqrt(d)) v for [n, heads, tokens, d] (Vaswani et al., NeurIPS 2017, eq. 1).
// Before 2.0 LibTorch has no such function: there, at most about `most_scores` values of q k^T
// exist at a time where no gradient is recorded.
inline torch::Tensor ScaledDotProductAttention(const torch::Tensor& q, const torch::Tensor& k,
                                               const torch::Tensor& v,
                                               [[maybe_unused]] int64_t most_scores = 1 << 24) {
#if TORCH_VERSION_MAJOR >= 2
  return at::scaled_dot_product_attention(q, k, v);
#else
  const torch::Tensor queries = q / std::sqrt(static_cast<double>(q.size(-1)));
  const torch::Tensor keys = k.transpose(-2, -1);
  const int64_t scores_per_query = q.size(0) * q.size(1) * k.size(-2);
  const int64_t chunk = std::max<int64_t>(1, most_scores / std::max<int64_t>(1, scores_per_query));
  std::vector<torch::Tensor> parts;
  for (const torch::Tensor& part : queries.split(chunk, -2)) {
    parts.push_back(torch::matmul(torch::softmax(torch::matmul(part, keys), -1), v));
  }
  return parts.size() == 1 ? parts[0] : torch::cat(parts, -2);
#endif
}

// The status for an exception from LibTorch: the first line of its message, without the stack trace
// that LibTorch adds.
inline absl::Status TorchError(const std::exception& error, absl::string_view what) {
  const auto* torch_error = dynamic_cast<const c10::Error*>(&error);
  absl::string_view words =
      torch_error != nullptr ? torch_error->what_without_backtrace() : error.what();
  words = words.substr(0, words.find('\n'));
  const std::string message = absl::StrCat(what, ": ", words);
  return IsOutOfMemory(error) ? absl::ResourceExhaustedError(message)
                              : absl::InternalError(message);
}

}  // namespace s2p

#endif  // S2P_MODEL_TORCH_VERSION_H_
