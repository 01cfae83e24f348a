#include "model/embedding.h"

#include <cmath>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "base/check.h"

namespace s2p {
namespace {

// The payload that tells the error from a failure of the program.
constexpr char kNotEmbeddable[] = "s2p/not-embeddable";

}  // namespace

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

absl::Status NormalizeRows(EmbeddingMatrix& embeddings) {
  for (int i = 0; i < embeddings.rows(); ++i) {
    if (NormalizeL2(embeddings.row(i))) continue;
    absl::Status status = absl::InternalError(
        absl::StrCat("encode: the embedding of inputs[", i, "] is zero or not finite"));
    status.SetPayload(kNotEmbeddable, absl::Cord());
    return status;
  }
  return absl::OkStatus();
}

bool IsNotEmbeddable(const absl::Status& status) {
  return status.GetPayload(kNotEmbeddable).has_value();
}

}  // namespace s2p
