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

// Rows that a search should ask for beyond those it wants: so that near ties, and the order that
// rounding or compressed codes get wrong, seldom need a second pass.
inline constexpr int kIndexFetchSlack = 16;

// A row of the index and its inner product with the query as the index computed it: in float32, in
// an order of operations that depends on the batch.
struct IndexMatch {
  int64_t row = 0;
  float score = 0;
};

// Immutable. Rows are numbered as they came in; ids, filters and removals are its owner's (FAISS's
// IDMap refuses selectors, and any selector leaves the fast path). Thread-safe.
class Index {
 public:
  virtual ~Index() = default;

  // Compares with every row: FAISS's Flat under inner product. `vectors` is n x d, rows of L2 norm
  // 1; n may be 0. They are kept, not copied.
  static std::unique_ptr<const Index> BuildExact(EmbeddingMatrix vectors);

  // FAISS's factory string.
  virtual std::string kind() const = 0;
  virtual int64_t size() const = 0;
  // Valid as long as the index. Requires 0 <= row < size().
  virtual absl::Span<const float> vector(int64_t row) const = 0;
  // Whether Search misses nothing.
  virtual bool exact() const = 0;
  // Share of the true 10 best rows that a search finds, as measured when the index was trained; 1
  // for an exact one.
  virtual double recall() const = 0;
  // No score of a row is further than this from the exact inner product, if the index is exact.
  virtual float tolerance() const = 0;
  // The k best rows of each query, by falling score; fewer if the index has not so many, or does
  // not find them. An index that is not exact looks `effort` times as far as it usually does.
  // Requires k >= 1, effort >= 1 and queries of the index's dimension.
  virtual absl::StatusOr<std::vector<std::vector<IndexMatch>>> Search(
      const EmbeddingMatrix& queries, int64_t k, int64_t effort = 1) const = 0;
};

// The inner product in float32, as fast as it goes: no further from the exact one than
// InnerProductTolerance. Requires equal lengths.
float ApproximateInnerProduct(absl::Span<const float> a, absl::Span<const float> b);

// For unit vectors. The classical bound for a sum of d float32 products, d * 2^-24, doubled: it
// also covers norms that are off by their own rounding.
float InnerProductTolerance(int dimension);

}  // namespace s2p

#endif  // S2P_SERVER_INDEX_INDEX_H_
