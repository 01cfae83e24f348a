// Nearest neighbours among a fixed set of vectors.
#ifndef S2P_SERVER_INDEX_H_
#define S2P_SERVER_INDEX_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "model/embedding.h"

namespace s2p {

// A row of the index and its inner product with the query as the index computed it: in float32, in
// an order of operations that depends on the batch.
struct IndexMatch {
  int64_t row = 0;
  float score = 0;
};

// Immutable after Build. Rows are numbered as they came in; ids, filters and removals are its
// owner's (FAISS's IDMap refuses selectors, and any selector leaves the fast path). Thread-safe.
class Index {
 public:
  virtual ~Index() = default;

  // Compares with every row: FAISS's Flat under inner product. `vectors` is n x d, rows of L2 norm
  // 1; n may be 0. ResourceExhausted when memory is out.
  static absl::StatusOr<std::unique_ptr<const Index>> BuildExact(const EmbeddingMatrix& vectors);

  // FAISS's factory string.
  virtual std::string kind() const = 0;
  virtual int64_t size() const = 0;
  // Valid as long as the index. Requires 0 <= row < size().
  virtual absl::Span<const float> vector(int64_t row) const = 0;
  // No score is further than this from the exact inner product.
  virtual float tolerance() const = 0;
  // The min(k, size()) best rows of each query, by falling score. Requires k >= 1 and queries of
  // the index's dimension.
  virtual absl::StatusOr<std::vector<std::vector<IndexMatch>>> Search(
      const EmbeddingMatrix& queries, int64_t k) const = 0;
};

}  // namespace s2p

#endif  // S2P_SERVER_INDEX_H_
