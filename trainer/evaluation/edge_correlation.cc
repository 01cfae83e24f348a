#include "trainer/evaluation/edge_correlation.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "image/preprocessor.h"
#include "model/embedding.h"
#include "trainer/evaluation/retrieval_metrics.h"

namespace s2p {
namespace {

// Ink as a zero-mean unit vector, so that a dot product is the normalised cross-correlation.
void FillRow(const Image& image, absl::Span<float> row) {
  double sum = 0;
  for (size_t i = 0; i < row.size(); ++i) {
    row[i] = 255.0f - image.pixels()[i * Image::kChannels];
    sum += row[i];
  }
  const float mean = static_cast<float>(sum / row.size());
  for (float& value : row) value -= mean;
  // An image of one colour correlates with nothing. A row of zeros would be ahead of every image
  // that correlates negatively.
  if (!NormalizeL2(row)) std::fill(row.begin(), row.end(), std::nanf(""));
}

v1::Preprocessing InkPreprocessing(v1::Modality modality, int side) {
  v1::Preprocessing preprocessing;
  preprocessing.set_height(side);
  preprocessing.set_width(side);
  preprocessing.set_grey(true);
  preprocessing.set_edges(modality == v1::MODALITY_PHOTO);
  preprocessing.set_filter(v1::RESIZE_FILTER_BILINEAR);
  for (int channel = 0; channel < 3; ++channel) {
    preprocessing.add_mean(0);
    preprocessing.add_std(1);
  }
  return preprocessing;
}

struct InkRows {
  EmbeddingMatrix rows;
  std::vector<std::string> identities;
};

absl::StatusOr<InkRows> ReadInk(const DataSet& data_set, const std::string& split,
                                v1::Modality modality, int side) {
  S2P_ASSIGN_OR_RETURN(const auto preprocessor,
                       Preprocessor::Create(InkPreprocessing(modality, side)));
  std::vector<const DataSetImage*> images;
  for (const DataSetImage& image : data_set.images()) {
    if (image.split == split && image.modality == modality) images.push_back(&image);
  }
  if (images.empty()) {
    return absl::NotFoundError(absl::StrCat(data_set.folder(), ": split \"", split, "\" has no ",
                                            modality == v1::MODALITY_PHOTO ? "photo" : "sketch"));
  }
  InkRows ink;
  ink.rows = EmbeddingMatrix(static_cast<int>(images.size()), side * side);
  for (size_t i = 0; i < images.size(); ++i) {
    S2P_ASSIGN_OR_RETURN(const auto image, data_set.Read(*images[i]));
    FillRow(preprocessor.Prepare(image), ink.rows.row(static_cast<int>(i)));
    ink.identities.push_back(images[i]->identity);
  }
  return ink;
}

}  // namespace

absl::StatusOr<v1::Evaluation> EvaluateEdgeCorrelation(const DataSet& data_set,
                                                       const std::string& split,
                                                       const std::string& direction, int side) {
  S2P_ASSIGN_OR_RETURN(auto photos, ReadInk(data_set, split, v1::MODALITY_PHOTO, side));
  S2P_ASSIGN_OR_RETURN(auto sketches, ReadInk(data_set, split, v1::MODALITY_SKETCH, side));
  const bool from_sketches = direction == "sketch-to-photo";
  const InkRows& queries = from_sketches ? sketches : photos;
  const InkRows& gallery = from_sketches ? photos : sketches;

  v1::Evaluation evaluation;
  evaluation.set_dataset(data_set.name());
  evaluation.set_split(split);
  evaluation.set_direction(direction);
  FillEvaluation(
      EvaluateRetrieval(queries.rows, queries.identities, gallery.rows, gallery.identities),
      gallery.rows.rows(), evaluation);
  return evaluation;
}

}  // namespace s2p
