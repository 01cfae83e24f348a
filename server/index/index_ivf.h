// An inverted-file index: the vectors are divided into lists, and a search visits the nearest few.
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

// OK if FAISS makes an inverted-file index of the factory string, with codes that stand one by one
// in their lists: not of fast-scan kinds, nor of refined or transformed ones, which would gain
// nothing (scores are recomputed exactly in any case). InvalidArgument, saying what is wrong.
absl::Status CheckIvfKind(const std::string& kind);

// How many lists such a string asks for; it needs as many vectors to train.
int64_t ListsOf(const std::string& ivf_kind);

struct IvfTrainingOptions {
  // As CheckIvfKind has it.
  std::string kind;
  // Of the 10 true best rows, the share that a search is to find: the number of lists that it
  // visits is raised until it does. In (0, 1].
  double recall = 0.95;
  // Asked now and then; if true, training ends with Cancelled. May be empty.
  std::function<bool()> interrupted;
};

// The list of each vector, by a digest of the vector; ascending by digest. A vector's list is a
// function of the vector and the training, so what was once found stays right. (Two vectors with
// one digest would at worst cost recall.)
using IvfAssignment = std::vector<std::pair<uint64_t, uint32_t>>;

// FAISS's IndexIVF (Jégou et al., PAMI 2011). Takes its vectors over: unless the kind compresses
// them, they live in the lists alone. Immutable; thread-safe.
class IvfIndex : public Index {
 public:
  // Finds the lists' centres by spherical k-means over at most 64 vectors a list, then measures
  // recall@10 on 256 rows mixed with another row and with noise, of cosine similarity 0.7 to the
  // row: about what a sketch has to its photo, and between the lists as a sketch is. Requires at
  // least ListsOf(kind) rows, of norm 1. About a minute for 1,000,000 x 256. InvalidArgument if the
  // kind does not fit the dimension or so few rows: then the vectors are still the caller's.
  // Cancelled; ResourceExhausted when memory is out.
  static absl::StatusOr<std::unique_ptr<const IvfIndex>> Train(EmbeddingMatrix&& vectors,
                                                               const IvfTrainingOptions& options);
  // Divides other vectors of the same origin among the lists that were found before; those in
  // `known` need no computing. DataLoss if `training` is not what an index of this dimension has:
  // then the vectors are still the caller's.
  static absl::StatusOr<std::unique_ptr<const IvfIndex>> Build(const v1::IvfTraining& training,
                                                               EmbeddingMatrix&& vectors,
                                                               const IvfAssignment& known);

  virtual const v1::IvfTraining& training() const = 0;
  // Of all its rows.
  virtual IvfAssignment assignment() const = 0;
};

}  // namespace s2p

#endif  // S2P_SERVER_INDEX_INDEX_IVF_H_
