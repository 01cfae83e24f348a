// Measures how well a model finds the photo of a sketch, or the other way round.
#ifndef S2P_TRAINER_EVALUATION_EVALUATOR_H_
#define S2P_TRAINER_EVALUATION_EVALUATOR_H_

#include <torch/types.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "model/dual_encoder.h"
#include "model/embedding.h"
#include "s2p/v1/checkpoint.pb.h"
#include "trainer/data/batch_loader.h"
#include "trainer/data/data_set.h"

namespace s2p {

inline constexpr char kSketchToPhoto[] = "sketch-to-photo";
inline constexpr char kPhotoToSketch[] = "photo-to-sketch";

// Images of both modalities with their identities, prepared for one model. Immutable.
struct EvaluationSet {
  std::shared_ptr<const PreparedImages> photos;
  std::shared_ptr<const PreparedImages> sketches;
  // As the data set lists them.
  std::vector<std::string> photo_paths;
  std::vector<std::string> sketch_paths;
  std::vector<std::string> photo_identities;
  std::vector<std::string> sketch_identities;
};

// Decodes and prepares, as `manifest` says, on `threads` threads. FailedPrecondition if there is no
// photo or no sketch; else as PreparedImages::Load: at most `max_unreadable` of either may be
// left out, and `stop` ends it.
absl::StatusOr<EvaluationSet> LoadEvaluationSet(const DataSet& data_set,
                                                const std::vector<DataSetImage>& images,
                                                const v1::CheckpointManifest& manifest, int threads,
                                                double max_unreadable = 0,
                                                const std::function<bool()>& stop = {});

// The images of one split. NotFound if it has none.
absl::StatusOr<std::vector<DataSetImage>> ImagesOfSplit(const DataSet& data_set,
                                                        const std::string& split);

// n x d retrieval features, in order, computed in evaluation mode and fp32 on the encoder's device;
// the encoder's mode is as before afterwards. ResourceExhausted when the device is out of memory;
// Cancelled within a batch once `stop` is true.
absl::StatusOr<EmbeddingMatrix> Embed(DualEncoder& encoder, const PreparedImages& images,
                                      v1::Modality modality,
                                      const std::function<bool()>& stop = {});

// n x a probabilities of the attributes, likewise. Requires encoder.has_attributes().
absl::StatusOr<EmbeddingMatrix> PredictAttributes(DualEncoder& encoder,
                                                  const PreparedImages& images,
                                                  v1::Modality modality);

struct EvaluationResult {
  // Counts, ranks and mAP; `direction` is set, the caller sets `dataset` and `split`.
  v1::Evaluation evaluation;
  // Rank of each query's first true match, from 1; 0 for a query without one.
  std::vector<int> first_match_rank;
  // As in RetrievalResult.
  std::vector<float> margin;
  std::vector<double> average_precision;
  std::vector<double> inverse_negative_penalty;
  // For each query, the gallery's rows of the best kTopMatches.
  std::vector<std::vector<int>> top;
  // By row: paths and identities.
  std::vector<std::string> query_paths, gallery_paths;
  std::vector<std::string> query_identities, gallery_identities;
};

// `direction` is one of the above; otherwise InvalidArgument. Else as Embed, Cancelled included.
absl::StatusOr<EvaluationResult> Evaluate(DualEncoder& encoder, const EvaluationSet& set,
                                          const std::string& direction,
                                          const std::function<bool()>& stop = {});

// The results of both directions: sketch to photo, then photo to sketch. Embeds each image once.
// Errors as Embed, Cancelled included.
absl::StatusOr<std::vector<EvaluationResult>> EvaluateBothWays(
    DualEncoder& encoder, const EvaluationSet& set, const std::function<bool()>& stop = {});

}  // namespace s2p

#endif  // S2P_TRAINER_EVALUATION_EVALUATOR_H_
