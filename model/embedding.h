// Rows of floats: embeddings, or their attribute probabilities.
#ifndef S2P_MODEL_EMBEDDING_H_
#define S2P_MODEL_EMBEDDING_H_

#include <cstddef>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"

namespace s2p {

// n x d, row-major, float32. Holds embeddings (each row of L2 norm 1), attribute probabilities
// (each value in [0, 1]), or the scores of queries against a gallery. A value. Thread-compatible.
class EmbeddingMatrix {
 public:
  EmbeddingMatrix() = default;
  // Zeros. Requires rows, dimension >= 0.
  EmbeddingMatrix(int rows, int dimension)
      : rows_(rows),
        dimension_(dimension),
        values_(static_cast<size_t>(rows) * static_cast<size_t>(dimension)) {}

  // Keeps the first rows. Requires 0 <= rows <= rows().
  void Truncate(int rows) {
    rows_ = rows;
    values_.resize(static_cast<size_t>(rows) * static_cast<size_t>(dimension_));
  }

  int rows() const { return rows_; }
  int dimension() const { return dimension_; }
  absl::Span<float> row(int i) {
    return absl::MakeSpan(values_).subspan(static_cast<size_t>(i) * dimension_, dimension_);
  }
  absl::Span<const float> row(int i) const {
    return absl::MakeConstSpan(values_).subspan(static_cast<size_t>(i) * dimension_, dimension_);
  }
  float* data() { return values_.data(); }
  const float* data() const { return values_.data(); }

 private:
  int rows_ = 0;
  int dimension_ = 0;
  std::vector<float> values_;
};

// Cosine similarity of two unit vectors in [-1, 1]: the dot product, accumulated in double from the
// first value to the last and rounded once, so that it is the same wherever it is computed. Clamped
// to [-1, 1], since rounding may exceed the range by 1e-7. Requires equal lengths.
float CosineSimilarity(absl::Span<const float> a, absl::Span<const float> b);

// Scales `vector` to L2 norm 1. False, leaving it as it is, if its norm is below 1e-12 or not
// finite.
bool NormalizeL2(absl::Span<float> vector);

// Scales each row to L2 norm 1. If NormalizeL2 cannot do so, the Internal error that
// IsNotEmbeddable tells from others, naming the row as inputs[row]: the caller sent a sound image,
// and the model has no place for it.
absl::Status NormalizeRows(EmbeddingMatrix& embeddings);
// Whether NormalizeRows has returned this.
bool IsNotEmbeddable(const absl::Status& status);

}  // namespace s2p

#endif  // S2P_MODEL_EMBEDDING_H_
