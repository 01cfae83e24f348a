#include "server/index/index.h"

#include <faiss/utils/distances.h>

#include <algorithm>
#include <string>
#include <utility>

#include "base/check.h"
#include "base/status_macros.h"
#include "server/index/index_guard.h"

namespace s2p {
namespace {

// Does what faiss::IndexFlatIP does, without copying the vectors.
class ExactIndex final : public Index {
 public:
  explicit ExactIndex(EmbeddingMatrix vectors) : vectors_(std::move(vectors)) {}

  std::string kind() const override { return "Flat"; }
  int64_t size() const override { return vectors_.rows(); }
  absl::Span<const float> vector(int64_t row) const override {
    S2P_CHECK(row >= 0 && row < size());
    return vectors_.row(static_cast<int>(row));
  }
  bool exact() const override { return true; }
  double recall() const override { return 1; }
  float tolerance() const override { return InnerProductTolerance(vectors_.dimension()); }

  absl::StatusOr<std::vector<std::vector<IndexMatch>>> Search(const EmbeddingMatrix& queries,
                                                              int64_t k, int64_t) const override {
    S2P_CHECK(k >= 1);
    S2P_CHECK(queries.rows() == 0 || queries.dimension() == vectors_.dimension());
    const size_t n = static_cast<size_t>(queries.rows());
    const size_t found = static_cast<size_t>(std::min(k, size()));
    if (n == 0 || found == 0) return std::vector<std::vector<IndexMatch>>(n);
    std::vector<float> scores(n * found);
    std::vector<int64_t> rows(scores.size());
    S2P_RETURN_IF_ERROR(GuardIndex("search index", [&] {
      faiss::knn_inner_product(queries.data(), vectors_.data(),
                               static_cast<size_t>(vectors_.dimension()), n,
                               static_cast<size_t>(size()), found, scores.data(), rows.data());
    }));
    // FAISS leaves a place empty only if a score is not a number.
    if (std::find(rows.begin(), rows.end(), -1) != rows.end()) {
      return absl::InternalError("search index: a score that is not a number");
    }
    return IndexMatchesOf(scores, rows, n);
  }

 private:
  const EmbeddingMatrix vectors_;
};

}  // namespace

std::unique_ptr<const Index> Index::BuildExact(EmbeddingMatrix vectors) {
  return std::make_unique<ExactIndex>(std::move(vectors));
}

float ApproximateInnerProduct(absl::Span<const float> a, absl::Span<const float> b) {
  S2P_CHECK(a.size() == b.size());
  return faiss::fvec_inner_product(a.data(), b.data(), a.size());
}

float InnerProductTolerance(int dimension) { return static_cast<float>(dimension + 8) / (1 << 23); }

}  // namespace s2p
