// The rule that fills networks and inputs identically in every program: a value is a function of
// the tensor's name and the position in it. The golden files were computed with it.
#ifndef S2P_TESTS_TESTING_GOLDEN_RULE_H_
#define S2P_TESTS_TESTING_GOLDEN_RULE_H_

#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "base/check.h"
#include "model/safetensors.h"

namespace s2p::test {

// The numbers of one name, each in [0, 1): splitmix64 seeded with the name's 64-bit FNV-1a hash.
class GoldenSequence {
 public:
  explicit GoldenSequence(absl::string_view name) {
    for (char c : name) hash_ = (hash_ ^ static_cast<unsigned char>(c)) * 0x100000001B3u;
  }
  double operator[](uint64_t position) const {
    uint64_t z = hash_ + position + 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    z ^= z >> 31;
    return static_cast<double>(z >> 11) * 0x1p-53;
  }

 private:
  uint64_t hash_ = 0xCBF29CE484222325u;
};

// An input: values in [-2, 2), row-major.
inline std::vector<float> GoldenInput(absl::string_view name, size_t count) {
  const GoldenSequence u(name);
  std::vector<float> values(count);
  for (size_t k = 0; k < count; ++k) values[k] = static_cast<float>(-2 + 4 * u[k]);
  return values;
}

// True for learned inputs of a network, such as tokens and tables of positions, which the rule
// fills as inputs.
inline bool IsLearnedInput(absl::string_view name) {
  for (absl::string_view last :
       {"class_embedding", "positional_embedding", "cls_token", "class_token", "pos_embed",
        "pos_embedding", "register_tokens", "mask_token", "latent"}) {
    if (absl::EndsWith(name, last)) return true;
  }
  return false;
}

// Fills a parameter or buffer of type F32, or a counter of type I64, by the rule for this name and
// shape.
inline void FillByGoldenRule(absl::string_view name, TensorBytes& tensor) {
  if (absl::EndsWith(name, "num_batches_tracked")) {
    tensor.bytes.assign(tensor.bytes.size(), '\0');
    return;
  }
  S2P_CHECK(tensor.type == TensorType::kF32 && !tensor.shape.empty());
  const bool input = IsLearnedInput(name);
  const bool centred = absl::EndsWith(name, "running_mean") || absl::EndsWith(name, "bias");
  const bool scale = absl::EndsWith(name, "running_var") || tensor.shape.size() == 1;
  double fan_in = 1;
  for (size_t i = 1; i < tensor.shape.size(); ++i) fan_in *= static_cast<double>(tensor.shape[i]);
  const double bound = std::sqrt(3 / fan_in);
  const GoldenSequence u(name);
  for (size_t k = 0; k < tensor.bytes.size() / sizeof(float); ++k) {
    const double value = input     ? -1 + 2 * u[k]
                         : centred ? -0.1 + 0.2 * u[k]
                         : scale   ? 0.8 + 0.4 * u[k]
                                   : bound * (2 * u[k] - 1);
    const float rounded = static_cast<float>(value);
    std::memcpy(&tensor.bytes[k * sizeof(float)], &rounded, sizeof(float));
  }
}

}  // namespace s2p::test

#endif  // S2P_TESTS_TESTING_GOLDEN_RULE_H_
