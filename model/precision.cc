#include "model/precision.h"

#include <array>
#include <utility>

namespace s2p {
namespace {

constexpr std::array<std::pair<Precision, absl::string_view>, 3> kNames = {{
    {Precision::kFloat32, "fp32"},
    {Precision::kBfloat16, "bf16"},
    {Precision::kFloat16, "half"},
}};

}  // namespace

absl::string_view NameOf(Precision precision) {
  for (const auto& [known, name] : kNames) {
    if (known == precision) return name;
  }
  return "";
}

std::optional<Precision> PrecisionOf(absl::string_view name) {
  for (const auto& [precision, known] : kNames) {
    if (known == name) return precision;
  }
  return std::nullopt;
}

absl::Status CheckPrecision(Precision precision, bool on_cpu,
                            const std::function<bool()>& cpu_has_bf16) {
  if (!on_cpu || precision == Precision::kFloat32) return absl::OkStatus();
  if (precision == Precision::kFloat16) {
    return absl::InvalidArgumentError(
        "precision: 'half' needs a GPU (--device cuda:0); on the CPU use fp32");
  }
  if (cpu_has_bf16()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "precision: 'bf16' needs a CPU with AVX512-BF16, which this one lacks; start with "
      "--precision fp32, or with auto, which computes in bf16 only where it can");
}

}  // namespace s2p
