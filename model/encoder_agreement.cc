#include "model/encoder_agreement.h"

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/check.h"
#include "base/status_macros.h"

namespace s2p {
namespace {

constexpr int kPhotos = 64;
constexpr int kSketches = 32;
constexpr int kBest = 10;
constexpr int kBatch = 8;
constexpr double kMostTimeRatio = 0.9;

double MinCosine(const EmbeddingMatrix& a, const EmbeddingMatrix& b) {
  double least = 1;
  for (int i = 0; i < a.rows(); ++i) {
    least = std::min<double>(least, CosineSimilarity(a.row(i), b.row(i)));
  }
  return least;
}

// The rows of `photos` that are most similar to the sketch, in the order of their numbers. Equal
// scores are ordered by number.
std::vector<int> BestPhotos(absl::Span<const float> sketch, const EmbeddingMatrix& photos) {
  std::vector<std::pair<float, int>> scores;
  for (int i = 0; i < photos.rows(); ++i) {
    scores.emplace_back(-CosineSimilarity(sketch, photos.row(i)), i);
  }
  const int count = std::min(kBest, photos.rows());
  std::partial_sort(scores.begin(), scores.begin() + count, scores.end());
  std::vector<int> best;
  for (int k = 0; k < count; ++k) best.push_back(scores[k].second);
  std::sort(best.begin(), best.end());
  return best;
}

// The mean share of the best photos that two searches have in common.
double MeanOverlap(const EmbeddingMatrix& sketches_a, const EmbeddingMatrix& photos_a,
                   const EmbeddingMatrix& sketches_b, const EmbeddingMatrix& photos_b) {
  double sum = 0;
  for (int i = 0; i < sketches_a.rows(); ++i) {
    const std::vector<int> a = BestPhotos(sketches_a.row(i), photos_a);
    const std::vector<int> b = BestPhotos(sketches_b.row(i), photos_b);
    std::vector<int> both;
    std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(both));
    sum += static_cast<double>(both.size()) / static_cast<double>(a.size());
  }
  return sum / sketches_a.rows();
}

// Embeds the pictures of one modality in batches, and adds the time of the backbones to `time`.
absl::StatusOr<EmbeddingMatrix> Embed(const Encoder& encoder, const std::vector<Image>& pictures,
                                      v1::Modality modality, absl::Duration& time) {
  const int count = static_cast<int>(pictures.size());
  EmbeddingMatrix all(count, encoder.dimension());
  for (int begin = 0; begin < count; begin += kBatch) {
    std::vector<EncoderInput> batch;
    for (int i = begin; i < std::min(begin + kBatch, count); ++i) {
      batch.push_back({&pictures[i], modality});
    }
    S2P_ASSIGN_OR_RETURN(const Encoding encoding, encoder.Encode(batch));
    time += encoding.encode_time;
    for (int i = 0; i < encoding.embeddings.rows(); ++i) {
      const absl::Span<const float> row = encoding.embeddings.row(i);
      std::copy(row.begin(), row.end(), all.row(begin + i).begin());
    }
  }
  return all;
}

std::vector<Image> Pictures(v1::Modality modality, int count) {
  std::vector<Image> pictures;
  for (int i = 0; i < count; ++i) pictures.push_back(AgreementPicture(modality, i));
  return pictures;
}

}  // namespace

EncoderAgreement AgreementOf(const EmbeddedPictures& full, const EmbeddedPictures& reduced) {
  S2P_CHECK(full.photos.rows() > 0 && full.photos.rows() == reduced.photos.rows());
  S2P_CHECK(full.sketches.rows() > 0 && full.sketches.rows() == reduced.sketches.rows());
  EncoderAgreement agreement;
  agreement.min_cosine =
      std::min(MinCosine(full.photos, reduced.photos), MinCosine(full.sketches, reduced.sketches));
  for (const auto& [sketches, photos] : {std::pair{&reduced.sketches, &reduced.photos},
                                         {&reduced.sketches, &full.photos},
                                         {&full.sketches, &reduced.photos}}) {
    agreement.top10 =
        std::min(agreement.top10, MeanOverlap(full.sketches, full.photos, *sketches, *photos));
  }
  return agreement;
}

absl::StatusOr<EncoderAgreement> MeasureAgreement(const Encoder& full, const Encoder& reduced) {
  const std::vector<Image> photos = Pictures(v1::MODALITY_PHOTO, kPhotos);
  const std::vector<Image> sketches = Pictures(v1::MODALITY_SKETCH, kSketches);
  EmbeddedPictures embedded[2];
  absl::Duration times[2];
  const Encoder* const encoders[] = {&full, &reduced};
  for (int i = 0; i < 2; ++i) {
    // The first pass prepares the kernels.
    absl::Duration ignored;
    const std::vector<Image> first(sketches.begin(), sketches.begin() + kBatch);
    S2P_RETURN_IF_ERROR(Embed(*encoders[i], first, v1::MODALITY_SKETCH, ignored).status());
    S2P_ASSIGN_OR_RETURN(embedded[i].photos,
                         Embed(*encoders[i], photos, v1::MODALITY_PHOTO, times[i]));
    S2P_ASSIGN_OR_RETURN(embedded[i].sketches,
                         Embed(*encoders[i], sketches, v1::MODALITY_SKETCH, times[i]));
  }
  EncoderAgreement agreement = AgreementOf(embedded[0], embedded[1]);
  agreement.time_ratio = absl::FDivDuration(times[1], times[0]);
  return agreement;
}

absl::Status CheckAgreement(const EncoderAgreement& agreement, double min_cosine) {
  std::string fault;
  if (!(agreement.min_cosine >= min_cosine)) {
    fault = absl::StrCat("an embedding is less similar than ", min_cosine);
  } else if (!(agreement.top10 >= kMinTop10Agreement)) {
    fault = absl::StrCat("fewer than ", kMinTop10Agreement * 100, " % of the best photos stay");
  } else if (!(agreement.time_ratio <= kMostTimeRatio)) {
    fault = absl::StrCat("it takes more than ", kMostTimeRatio, " of the time");
  }
  if (fault.empty()) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(fault, " (", Describe(agreement), ")"));
}

std::string Describe(const EncoderAgreement& agreement) {
  return absl::StrFormat(
      "lowest cosine similarity %.5f, %.1f %% of the 10 best photos stay, %.2f of the time",
      agreement.min_cosine, agreement.top10 * 100, agreement.time_ratio);
}

}  // namespace s2p
