#include "model/embedding.h"

#include <cmath>

#include "base/check.h"

namespace s2p {

float CosineSimilarity(absl::Span<const float> a, absl::Span<const float> b) {
  S2P_CHECK(a.size() == b.size());
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * b[i];
  // Unit vectors in float32 are off by about 1e-7, and so is the sum.
  if (sum > 1) return 1;
  if (sum < -1) return -1;
  return static_cast<float>(sum);
}

bool NormalizeL2(absl::Span<float> vector) {
  double squares = 0;
  for (float value : vector) squares += static_cast<double>(value) * value;
  const double norm = std::sqrt(squares);
  if (!std::isfinite(norm) || norm < 1e-12) return false;
  for (float& value : vector) value = static_cast<float>(value / norm);
  return true;
}

}  // namespace s2p
