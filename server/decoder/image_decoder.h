// Turns the bytes of an image that a client sent, or that the gallery keeps, into pixels.
#ifndef S2P_SERVER_DECODER_IMAGE_DECODER_H_
#define S2P_SERVER_DECODER_IMAGE_DECODER_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "image/image.h"
#include "server/decoder/budget.h"
#include "server/decoder/call_life.h"

namespace s2p {

// Thread-safe.
class ImageDecoder {
 public:
  virtual ~ImageDecoder() = default;

  // Blocks. As DecodeImage; also TooSlowError, and Cancelled or DeadlineExceeded as `life` says.
  virtual absl::StatusOr<Image> Decode(absl::string_view bytes, const ImageLimits& limits,
                                       const CallLife& life) = 0;
};

// InvalidArgument for an image that took longer to decode than any may. For the client that sent it
// the image is at fault; but a machine that is busy makes honest images slow, too.
absl::Status TooSlowError(absl::Duration most);
bool IsTooSlow(const absl::Status& status);

// Decodes on the caller's thread: nothing can stop it once it has begun, and an error in an image
// library ends the server. For tests, and for systems where DecoderPool cannot work.
class InProcessDecoder final : public ImageDecoder {
 public:
  absl::StatusOr<Image> Decode(absl::string_view bytes, const ImageLimits& limits,
                               const CallLife& life) override;
};

// The most that ReadImageHeader states as decode_bytes, for an image of any kind within `limits`.
int64_t MostDecodeBytes(const ImageLimits& limits);

// The decoder of one kind of call, and the memory that the images of all its calls may take. Kinds
// that share a decoder wait for each other. Borrowed.
struct DecodeLane {
  ImageDecoder* decoder = nullptr;
  Budget* memory = nullptr;
  // Places for threads that work on decoded pixels at one time; null: no bound but their number.
  Budget* places = nullptr;
};

}  // namespace s2p

#endif  // S2P_SERVER_DECODER_IMAGE_DECODER_H_
