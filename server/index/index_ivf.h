// An inverted-file index: vectors are divided into lists, and a search visits the nearest few
// lists.
#ifndef S2P_SERVER_INDEX_INDEX_IVF_H_
#define S2P_SERVER_INDEX_INDEX_IVF_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "model/embedding.h"
#include "s2p/v1/index_file.pb.h"
#include "server/index/index.h"

namespace s2p {

// OK if FAISS makes an inverted-file index with single codes from the factory string. Fast-scan,
// refined and transformed kinds are refused; they would gain nothing, because scores are recomputed
// exactly anyway. InvalidArgument says what is wrong.
absl::Status CheckIvfKind(const std::string& kind);

// The number of lists in such a string; training needs at least as many vectors.
int64_t ListsOf(const std::string& ivf_kind);

struct IvfTrainingOptions {
  // A string that CheckIvfKind accepts.
  std::string kind;
  // The share of the 10 true best rows that a search should find, in (0, 1]: the number of visited
  // lists is raised until it does.
  double recall = 0.95;
  // Optional: asked now and then; if true, training ends with Cancelled.
  std::function<bool()> interrupted;
};

// The list of each vector, by a digest of the vector; ascending by digest. A vector's list depends
// only on the vector and the training, so it never changes. (Two vectors with one digest would at
// worst cost recall.)
using IvfAssignment = std::vector<std::pair<uint64_t, uint32_t>>;

// FAISS's IndexIVF (Jégou et al., PAMI 2011). Owns its vectors; unless the kind compresses them,
// only the lists hold them. Immutable.
class IvfIndex : public Index {
 public:
  // Finds the lists' centres by spherical k-means over at most 64 vectors a list, then measures
  // recall@10 with 256 rows that are mixed with another row and noise to a cosine similarity of
  // 0.7: about that of a sketch and its photo, and between the lists like a sketch. Requires at
  // least ListsOf(kind) rows, of norm 1. About a minute for 1,000,000 x 256. InvalidArgument if the
  // kind does not fit the dimension or the number of rows; the vectors then stay the caller's.
  // Cancelled; ResourceExhausted when out of memory.
  static absl::StatusOr<std::unique_ptr<const IvfIndex>> Train(EmbeddingMatrix&& vectors,
                                                               const IvfTrainingOptions& options);
  // Divides other vectors of the same origin among the lists of an earlier training; those in
  // `known` are not computed again. DataLoss if `training` does not fit an index of this dimension;
  // the vectors then stay the caller's.
  static absl::StatusOr<std::unique_ptr<const IvfIndex>> Build(const v1::IvfTraining& training,
                                                               EmbeddingMatrix&& vectors,
                                                               const IvfAssignment& known);

  virtual const v1::IvfTraining& training() const = 0;
  // The lists of all rows.
  virtual IvfAssignment assignment() const = 0;
};

}  // namespace s2p

#endif  // S2P_SERVER_INDEX_INDEX_IVF_H_
