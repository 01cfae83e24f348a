// How closely a model in reduced precision agrees with itself in float32.
#ifndef S2P_MODEL_ENCODER_AGREEMENT_H_
#define S2P_MODEL_ENCODER_AGREEMENT_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "image/image.h"
#include "model/embedding.h"
#include "model/encoder.h"
#include "s2p/v1/checkpoint.pb.h"

namespace s2p {

// One model's embeddings of the same pictures, in one precision: unit rows of one dimension.
struct EmbeddedPictures {
  EmbeddingMatrix photos;
  EmbeddingMatrix sketches;
};

struct EncoderAgreement {
  // The lowest cosine similarity of the two embeddings of one picture.
  double min_cosine = 1;
  // The share of a sketch's 10 best photos in float32 that stay among its 10 best, averaged over
  // the sketches: the lowest of three averages. Both sides are in reduced precision; only the
  // sketches are, as after a restart of a server whose photos were embedded before; or only the
  // photos are. In [0, 1].
  double top10 = 1;
  // Time of the backbones in reduced precision, divided by that in float32.
  double time_ratio = 1;
};

// The least share of the 10 best photos that must stay.
inline constexpr double kMinTop10Agreement = 0.95;

// Compares the two; `time_ratio` is left at 1. Requires matrices of the same sizes, with rows.
EncoderAgreement AgreementOf(const EmbeddedPictures& full, const EmbeddedPictures& reduced);

// Embeds the same built-in pictures, 64 photos and 32 sketches, with both. Errors as
// Encoder::Encode.
absl::StatusOr<EncoderAgreement> MeasureAgreement(const Encoder& full, const Encoder& reduced);

// FailedPrecondition if the reduced precision should not replace float32: an embedding is less
// similar than `min_cosine`, fewer than kMinTop10Agreement of the best photos stay, or it saves
// less than a tenth of the time. The message says what was measured.
absl::Status CheckAgreement(const EncoderAgreement& agreement, double min_cosine);

// "lowest cosine similarity 0.99991, 98.1 % of the 10 best photos stay, 0.27 of the time".
std::string Describe(const EncoderAgreement& agreement);

// Picture `number` of MeasureAgreement: a few overlapping shapes on a ground, in colours and with
// texture, or as outlines. Photo and sketch of one number show the same shapes. The same bytes on
// every machine.
Image AgreementPicture(v1::Modality modality, int number);

}  // namespace s2p

#endif  // S2P_MODEL_ENCODER_AGREEMENT_H_
