// Nearest neighbours among a fixed set of vectors.
#ifndef S2P_SERVER_INDEX_INDEX_H_
#define S2P_SERVER_INDEX_INDEX_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "model/embedding.h"

namespace s2p {

// Extra rows that a search should ask for, so that near ties and misorderings by rounding or
// compressed codes seldom need a second pass.
inline constexpr int kIndexFetchSlack = 16;

// A row of the index and its inner product with the query, as the index computed it: in float32, in
// an order of operations that depends on the batch.
struct IndexMatch {
  int64_t row = 0;
  float score = 0;
};

// Rows are numbered in the order they came in. Ids, filters and removals are the owner's business:
// FAISS's IDMap refuses selectors, and any selector leaves the fast path. Immutable.
class Index {
 public:
  virtual ~Index() = default;

  // Builds an index that compares with every row: FAISS's Flat under inner product. `vectors` is n
  // x d, rows of L2 norm 1; n may be 0. They are kept, not copied.
  static std::unique_ptr<const Index> BuildExact(EmbeddingMatrix vectors);

  // FAISS's factory string.
  virtual std::string kind() const = 0;
  virtual int64_t size() const = 0;
  // Valid as long as the index. Requires 0 <= row < size().
  virtual absl::Span<const float> vector(int64_t row) const = 0;
  // True if Search misses nothing.
  virtual bool exact() const = 0;
  // Share of the true 10 best rows that a search finds, measured when the index was trained; 1 for
  // an exact index.
  virtual double recall() const = 0;
  // The largest error of a score, if the index is exact.
  virtual float tolerance() const = 0;
  // The k best rows of each query, by descending score; fewer if the index has or finds fewer. An
  // approximate index visits `effort` times as many lists as usual. Requires k >= 1, effort >= 1
  // and queries of the index's dimension.
  virtual absl::StatusOr<std::vector<std::vector<IndexMatch>>> Search(
      const EmbeddingMatrix& queries, int64_t k, int64_t effort = 1) const = 0;
};

// The inner product in float32, as fast as possible; its error is at most InnerProductTolerance.
// Requires equal lengths.
float ApproximateInnerProduct(absl::Span<const float> a, absl::Span<const float> b);

// The error bound for unit vectors: the classical bound for a sum of d float32 products, d * 2^-24,
// doubled to cover the rounding of the norms.
float InnerProductTolerance(int dimension);

}  // namespace s2p

#endif  // S2P_SERVER_INDEX_INDEX_H_
