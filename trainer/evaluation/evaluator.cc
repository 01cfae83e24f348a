#include "trainer/evaluation/evaluator.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/torch_version.h"
#include "trainer/evaluation/image_batch.h"
#include "trainer/evaluation/retrieval_metrics.h"

namespace s2p {
namespace {

// Large enough to keep a device busy, small enough for any.
constexpr int kBatch = 64;

// The path that the data set lists; images of another folder (DataSet::With) may have the same
// path.
std::string NameOf(const DataSetImage& image) {
  return image.folder.empty() ? image.path : absl::StrCat(image.folder, "/", image.path);
}

// One modality's images, with the paths and identities of those that could be read.
struct Loaded {
  std::shared_ptr<const PreparedImages> images;
  std::vector<std::string> paths, identities;
};

absl::StatusOr<Loaded> Load(const DataSet& data_set, const std::vector<DataSetImage>& images,
                            const v1::Preprocessing& preprocessing, int threads,
                            double max_unreadable, const std::function<bool()>& stop) {
  S2P_ASSIGN_OR_RETURN(const auto preprocessor, Preprocessor::Create(preprocessing));
  UnreadableImages unreadable;
  unreadable.allowed_share = max_unreadable;
  S2P_ASSIGN_OR_RETURN(auto prepared, PreparedImages::Load(data_set, images, preprocessor, threads,
                                                           {}, &unreadable, stop));
  Loaded loaded{std::move(prepared), {}, {}};
  for (size_t i = 0; i < images.size(); ++i) {
    if (std::binary_search(unreadable.left_out.begin(), unreadable.left_out.end(), i)) continue;
    loaded.paths.push_back(NameOf(images[i]));
    loaded.identities.push_back(images[i].identity);
  }
  return loaded;
}

// [n, columns] of what `function` makes of the images' embeddings, in evaluation mode.
absl::StatusOr<EmbeddingMatrix> MapRows(
    DualEncoder& encoder, const PreparedImages& images, v1::Modality modality, int columns,
    const std::function<torch::Tensor(const torch::Tensor&)>& function,
    const std::function<bool()>& stop) {
  EmbeddingMatrix result(images.size(), columns);
  const bool was_training = encoder.is_training();
  encoder.eval();
  absl::Status status;
  try {
    torch::NoGradGuard no_grad;
    const torch::Device device = encoder.parameters()[0].device();
    for (int begin = 0; begin < images.size(); begin += kBatch) {
      if (stop && stop()) {
        status = absl::CancelledError("stopped while images were embedded");
        break;
      }
      const int end = std::min(begin + kBatch, images.size());
      const auto output = encoder.Forward(NormalizedBatch(images, begin, end).to(device), modality);
      const auto rows = function(output.embedding).to(torch::kCPU, torch::kFloat32).contiguous();
      std::copy_n(rows.data_ptr<float>(), rows.numel(), result.row(begin).data());
    }
  } catch (const std::exception& error) {
    status = TorchError(error, "embedding");
  }
  encoder.train(was_training);
  if (!status.ok()) return status;
  return result;
}

// Ranks the embeddings of the set's images.
EvaluationResult Rank(const EmbeddingMatrix& photos, const EmbeddingMatrix& sketches,
                      const EvaluationSet& set, const std::string& direction) {
  const bool by_sketch = direction == kSketchToPhoto;
  const EmbeddingMatrix& gallery = by_sketch ? photos : sketches;
  const RetrievalResult retrieval = EvaluateRetrieval(
      by_sketch ? sketches : photos, by_sketch ? set.sketch_identities : set.photo_identities,
      gallery, by_sketch ? set.photo_identities : set.sketch_identities);
  EvaluationResult result;
  result.evaluation.set_direction(direction);
  FillEvaluation(retrieval, gallery.rows(), result.evaluation);
  result.first_match_rank = retrieval.first_match_rank;
  result.margin = retrieval.margin;
  result.average_precision = retrieval.average_precision;
  result.inverse_negative_penalty = retrieval.inverse_negative_penalty;
  result.top = retrieval.top;
  result.query_paths = by_sketch ? set.sketch_paths : set.photo_paths;
  result.gallery_paths = by_sketch ? set.photo_paths : set.sketch_paths;
  result.query_identities = by_sketch ? set.sketch_identities : set.photo_identities;
  result.gallery_identities = by_sketch ? set.photo_identities : set.sketch_identities;
  return result;
}

}  // namespace

absl::StatusOr<std::vector<DataSetImage>> ImagesOfSplit(const DataSet& data_set,
                                                        const std::string& split) {
  std::vector<DataSetImage> images;
  for (const DataSetImage& image : data_set.images()) {
    if (image.split == split) images.push_back(image);
  }
  if (images.empty()) {
    return absl::NotFoundError(
        absl::StrCat(data_set.folder(), ": no image of the split \"", split, "\""));
  }
  return images;
}

absl::StatusOr<EvaluationSet> LoadEvaluationSet(const DataSet& data_set,
                                                const std::vector<DataSetImage>& images,
                                                const v1::CheckpointManifest& manifest, int threads,
                                                double max_unreadable,
                                                const std::function<bool()>& stop) {
  std::vector<DataSetImage> photos, sketches;
  for (const DataSetImage& image : images) {
    (image.modality == v1::MODALITY_SKETCH ? sketches : photos).push_back(image);
  }
  if (photos.empty() || sketches.empty()) {
    return absl::FailedPreconditionError(absl::StrCat(
        data_set.folder(), ": no ", photos.empty() ? "photo" : "sketch", " to evaluate with"));
  }
  S2P_ASSIGN_OR_RETURN(auto photo,
                       Load(data_set, photos, manifest.photo(), threads, max_unreadable, stop));
  S2P_ASSIGN_OR_RETURN(auto sketch,
                       Load(data_set, sketches, manifest.sketch(), threads, max_unreadable, stop));
  return EvaluationSet{photo.images,
                       sketch.images,
                       std::move(photo.paths),
                       std::move(sketch.paths),
                       std::move(photo.identities),
                       std::move(sketch.identities)};
}

absl::StatusOr<EmbeddingMatrix> Embed(DualEncoder& encoder, const PreparedImages& images,
                                      v1::Modality modality, const std::function<bool()>& stop) {
  return MapRows(
      encoder, images, modality, encoder.dimension(),
      [&](const torch::Tensor& embedding) { return encoder.RetrievalFeature(embedding); }, stop);
}

absl::StatusOr<EmbeddingMatrix> PredictAttributes(DualEncoder& encoder,
                                                  const PreparedImages& images,
                                                  v1::Modality modality) {
  const int count = encoder.attribute_count();
  return MapRows(encoder, images, modality, static_cast<int>(count),
                 [&](const torch::Tensor& embedding) {
                   return torch::sigmoid(encoder.AttributeLogits(embedding));
                 },
                 /*stop=*/{});
}

absl::StatusOr<EvaluationResult> Evaluate(DualEncoder& encoder, const EvaluationSet& set,
                                          const std::string& direction,
                                          const std::function<bool()>& stop) {
  if (direction != kSketchToPhoto && direction != kPhotoToSketch) {
    return absl::InvalidArgumentError(absl::StrCat("direction ", direction, ": expected ",
                                                   kSketchToPhoto, " or ", kPhotoToSketch));
  }
  S2P_ASSIGN_OR_RETURN(const auto photos, Embed(encoder, *set.photos, v1::MODALITY_PHOTO, stop));
  S2P_ASSIGN_OR_RETURN(const auto sketches,
                       Embed(encoder, *set.sketches, v1::MODALITY_SKETCH, stop));
  return Rank(photos, sketches, set, direction);
}

absl::StatusOr<std::vector<EvaluationResult>> EvaluateBothWays(DualEncoder& encoder,
                                                               const EvaluationSet& set,
                                                               const std::function<bool()>& stop) {
  S2P_ASSIGN_OR_RETURN(const auto photos, Embed(encoder, *set.photos, v1::MODALITY_PHOTO, stop));
  S2P_ASSIGN_OR_RETURN(const auto sketches,
                       Embed(encoder, *set.sketches, v1::MODALITY_SKETCH, stop));
  std::vector<EvaluationResult> results;
  for (const char* direction : {kSketchToPhoto, kPhotoToSketch}) {
    results.push_back(Rank(photos, sketches, set, direction));
  }
  return results;
}

}  // namespace s2p
