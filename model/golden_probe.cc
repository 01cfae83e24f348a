#include "model/golden_probe.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/status_macros.h"
#include "image/image.h"
#include "model/embedding.h"

namespace s2p {
namespace {

constexpr char kProbeImage[] = "s2p-probe-1";
constexpr double kMinCosineFp32 = 0.9999;
constexpr double kMinCosineHalf = 0.999;

// Encodes the probe photo, then the probe sketch.
absl::StatusOr<Encoding> EncodeProbe(const Encoder& encoder) {
  const Image photo = ProbeImage(v1::MODALITY_PHOTO);
  const Image sketch = ProbeImage(v1::MODALITY_SKETCH);
  return encoder.Encode(
      {EncoderInput{&photo, v1::MODALITY_PHOTO}, EncoderInput{&sketch, v1::MODALITY_SKETCH}});
}

// `field` is the manifest's name for `expected`.
absl::Status CheckVector(absl::string_view field, std::vector<float> expected,
                         absl::Span<const float> got, double min_cosine, Precision precision) {
  if (expected.size() != got.size()) {
    return absl::DataLossError(
        absl::StrCat(field, ": ", expected.size(), " values, not ", got.size()));
  }
  if (!NormalizeL2(absl::MakeSpan(expected))) {
    return absl::DataLossError(absl::StrCat(field, ": zero or not finite"));
  }
  const float cosine = CosineSimilarity(expected, got);
  if (cosine >= min_cosine) return absl::OkStatus();
  const std::string message =
      absl::StrCat(field, ": this program's embedding of the probe image has cosine similarity ",
                   cosine, " with the writer's, below ", min_cosine);
  if (precision == Precision::kFloat32) return absl::DataLossError(message);
  return absl::FailedPreconditionError(absl::StrCat(message, ", in precision ", NameOf(precision),
                                                    "; serve this model with --precision fp32"));
}

}  // namespace

absl::Status WriteGoldenProbe(const Encoder& encoder, v1::GoldenProbe& probe) {
  S2P_ASSIGN_OR_RETURN(const Encoding encoding, EncodeProbe(encoder));
  probe.Clear();
  probe.set_image(kProbeImage);
  for (float value : encoding.embeddings.row(0)) probe.add_photo(value);
  for (float value : encoding.embeddings.row(1)) probe.add_sketch(value);
  probe.set_min_cosine_fp32(kMinCosineFp32);
  probe.set_min_cosine_half(kMinCosineHalf);
  return absl::OkStatus();
}

absl::Status CheckGoldenProbe(const Encoder& encoder, const v1::GoldenProbe& probe) {
  if (probe.image() != kProbeImage) {
    return absl::DataLossError(
        absl::StrCat("golden_probe.image: '", probe.image(), "', not ", kProbeImage));
  }
  const Precision precision = encoder.precision_choice().precision;
  const bool full = precision == Precision::kFloat32;
  const double min_cosine = full ? probe.min_cosine_fp32() : probe.min_cosine_half();
  // A tolerance that accepts everything proves nothing.
  if (!(min_cosine >= 0.9 && min_cosine <= 1)) {
    return absl::DataLossError(absl::StrCat("golden_probe.min_cosine_", full ? "fp32" : "half",
                                            ": ", min_cosine, " is not in [0.9, 1]"));
  }
  S2P_ASSIGN_OR_RETURN(const Encoding encoding, EncodeProbe(encoder));
  S2P_RETURN_IF_ERROR(CheckVector("golden_probe.photo",
                                  {probe.photo().begin(), probe.photo().end()},
                                  encoding.embeddings.row(0), min_cosine, precision));
  return CheckVector("golden_probe.sketch", {probe.sketch().begin(), probe.sketch().end()},
                     encoding.embeddings.row(1), min_cosine, precision);
}

}  // namespace s2p
