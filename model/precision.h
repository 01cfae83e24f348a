// The arithmetic of an encoder's backbones. Their weights are converted once, when a checkpoint is
// loaded; all layers behind them (pooling, projection, neck, attributes, norm) stay float32.
#ifndef S2P_MODEL_PRECISION_H_
#define S2P_MODEL_PRECISION_H_

#include <functional>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace s2p {

enum class Precision {
  kFloat32,
  // Products in bfloat16, which has float32's range and 8 bits of its mantissa.
  kBfloat16,
  // float16, on CUDA only.
  kFloat16
};

// "fp32", "bf16", "half".
absl::string_view NameOf(Precision precision);
std::optional<Precision> PrecisionOf(absl::string_view name);

// An encoder's precision, and how it came about. A value.
struct PrecisionChoice {
  Precision precision = Precision::kFloat32;
  // Why, in a sentence with what was measured; empty if fp32 was asked for by name.
  std::string reason;
  // Asked for by name, although it is slower than float32 here, or agrees with it too little.
  bool doubtful = false;
};

// Whether this CPU has instructions for bfloat16, AVX512-BF16, and this LibTorch uses them, through
// oneDNN. Without them bfloat16 is ten times slower than float32. With them it may be faster or
// slower, from CPU to CPU: MeasureAgreement tells.
bool CpuHasBf16();

// InvalidArgument, naming the flag and the remedy, if the device cannot compute in this precision.
// `cpu_has_bf16` is asked for bfloat16 on the CPU.
absl::Status CheckPrecision(Precision precision, bool on_cpu,
                            const std::function<bool()>& cpu_has_bf16 = CpuHasBf16);

}  // namespace s2p

#endif  // S2P_MODEL_PRECISION_H_
