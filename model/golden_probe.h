// The golden probe: two built-in pictures, which the reader of a checkpoint must embed as its
// writer did. docs/checkpoint_format.md says what that finds.
#ifndef S2P_MODEL_GOLDEN_PROBE_H_
#define S2P_MODEL_GOLDEN_PROBE_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/encoder.h"
#include "s2p/v1/checkpoint.pb.h"

namespace s2p {

// Embeds ProbeImage of both modalities and writes the probe. Errors as Encoder::Encode.
absl::Status WriteGoldenProbe(const Encoder& encoder, v1::GoldenProbe& probe);

// Compares with the tolerance of the encoder's precision. DataLoss naming the field if the probe is
// none, its tolerance proves nothing, or an embedding differs in float32; FailedPrecondition if one
// differs in reduced precision.
absl::Status CheckGoldenProbe(const Encoder& encoder, const v1::GoldenProbe& probe);

}  // namespace s2p

#endif  // S2P_MODEL_GOLDEN_PROBE_H_
