// Chooses and builds the index for a gallery.
#ifndef S2P_SERVER_INDEX_INDEX_BUILDER_H_
#define S2P_SERVER_INDEX_INDEX_BUILDER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/embedding.h"
#include "server/index/index.h"
#include "server/index/index_file.h"
#include "server/index/index_ivf.h"

namespace s2p {

struct IndexBuilderOptions {
  // "Flat": exact. A FAISS factory string that begins with IVF: approximate, once there are as many
  // vectors as lists. "auto": exact below 100,000 vectors, then IVF with about 4 sqrt(n) lists.
  std::string kind = "Flat";
  // As in IvfTrainingOptions.
  double recall = 0.95;
  // Folder for trained indexes; empty: train again at every start.
  std::string directory;
  // Optional: asked before the file of a trained index is written, which is left out if the answer
  // is an error. Thread-safe.
  std::function<absl::Status(uint64_t bytes)> check_room;
  // Optional: asked while an index is trained; if true, Build ends with Cancelled.
  std::function<bool()> interrupted;
  // Optional: called with the reason, on the thread that calls Build, if a file of a trained index
  // is unusable (it is ignored) or could not be written, or if the kind cannot be trained on the
  // gallery (which is then searched exactly).
  std::function<void(const absl::Status&)> on_problem;
};

// Builds indexes for the gallery's views. Thread-safe, for one version at a time.
class IndexBuilder {
 public:
  // InvalidArgument naming a bad option.
  static absl::StatusOr<std::unique_ptr<const IndexBuilder>> Create(IndexBuilderOptions options);

  // Builds an index of the vectors that `version` of the model made. Training is costly, so the
  // training of `previous` (of the same version; may be null) or of the file is reused until there
  // are four times as many vectors as when it was made. Cancelled; ResourceExhausted when out of
  // memory.
  absl::StatusOr<std::unique_ptr<const Index>> Build(int64_t version, EmbeddingMatrix vectors,
                                                     const Index* previous) const;

  // Removes the files of the versions that are not in `versions`.
  void Keep(const std::set<int64_t>& versions) const;

 private:
  explicit IndexBuilder(IndexBuilderOptions options);
  // The kind for this many vectors: "Flat", or one of IVF.
  std::string KindFor(int64_t rows) const;
  bool Suits(const v1::IvfTraining& training, const std::string& kind,
             const EmbeddingMatrix& vectors) const;
  void Save(int64_t version, const IvfIndex& index) const;
  void ReportProblem(const absl::Status& status) const;

  const IndexBuilderOptions options_;
  const IndexFiles files_;
};

}  // namespace s2p

#endif  // S2P_SERVER_INDEX_INDEX_BUILDER_H_
