// Turns images into embeddings for serving.
#ifndef S2P_MODEL_ENCODER_H_
#define S2P_MODEL_ENCODER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "image/image.h"
#include "model/checkpoint.h"
#include "model/embedding.h"
#include "model/precision.h"
#include "s2p/v1/checkpoint.pb.h"

namespace s2p {

// An image as the network of one version takes it: Encoder::Preprocess makes it, and for that
// version Encode takes it in place of the image. A value.
struct PreprocessedImage {
  // The version of the encoder that made it; 0 if none did.
  int64_t version = 0;
  v1::Modality modality = v1::MODALITY_UNSPECIFIED;
  // [height, width, 3] of the network's input, in [0, 255]: a quarter of the memory that its
  // normalised floats take.
  Image pixels;
};

// One image to encode; both pointers are borrowed for the call.
struct EncoderInput {
  const Image* image = nullptr;
  v1::Modality modality = v1::MODALITY_PHOTO;
  // Optional: what Preprocess made of `image`. It saves time if it is of this encoder's version and
  // of `modality`; if not, `image` is preprocessed. The embedding is the same in any case.
  const PreprocessedImage* preprocessed = nullptr;
};

struct Encoding {
  // n x d, unit rows, in the order of the inputs.
  EmbeddingMatrix embeddings;
  // n x a, probabilities in [0, 1], in the order of Encoder::attributes(); a may be 0.
  EmbeddingMatrix attributes;
  // To fill the network's input, which includes preprocessing what was not preprocessed.
  absl::Duration preprocess_time;
  absl::Duration encode_time;
};

// A frozen model on a device. Immutable after creation and safe to call from several threads: many
// preprocess, while one normally encodes; calls are independent of each other.
class Encoder {
 public:
  virtual ~Encoder() = default;

  // The version of the checkpoint that it was loaded from.
  virtual int64_t version() const = 0;
  virtual int dimension() const = 0;
  virtual const std::vector<std::string>& attributes() const = 0;
  // "cpu" or "cuda:N".
  virtual std::string device() const = 0;
  // Layout and precision, for a log line: "onednn, fp32".
  virtual std::string description() const { return ""; }
  virtual PrecisionChoice precision_choice() const { return {}; }
  // Memory that the weights use on a GPU; 0 on the CPU.
  virtual uint64_t device_memory_bytes() const { return 0; }

  // The part of Encode that needs no network, for one image, on the caller's thread.
  // InvalidArgument for an empty image or an unknown modality; ResourceExhausted if there is not
  // enough memory; Internal for a failure in the library.
  virtual absl::StatusOr<PreprocessedImage> Preprocess(const Image& image,
                                                       v1::Modality modality) const = 0;

  // Preprocesses and embeds a batch that may mix modalities. InvalidArgument for an empty image;
  // ResourceExhausted when the device is out of memory; Internal for a failure in the library, and
  // for an image whose embedding is zero or not finite (IsNotEmbeddable).
  virtual absl::StatusOr<Encoding> Encode(absl::Span<const EncoderInput> inputs) const = 0;
};

struct EncoderOptions {
  // "auto" (cuda:0 if there is a GPU, else cpu), "cpu" or "cuda:N".
  std::string device = "auto";
  // Threads of LibTorch's CPU kernels in this process; 0 keeps the library's default, one per
  // physical core.
  int threads = 0;
  // Memory layout of the feature maps: "contiguous", "channels_last" (not for transformers),
  // "onednn" (CPU only, for ResNets other than SE-ResNeXt), or "auto", which times a few passes in
  // each supported layout, about a second in all, and keeps the fastest.
  std::string layout = "auto";
  // The backbones' arithmetic: "fp32"; "bf16", on a CPU with AVX512-BF16 or on CUDA; "half", which
  // is float16, on CUDA only; or "auto": bf16 on a CPU that has it, if it is faster there and the
  // model agrees with itself in float32 (CheckAgreement), else fp32. For all but fp32, both
  // precisions are loaded and compared on 96 pictures. (Reduced precision and the layouts on CUDA
  // have been compiled, but not run, for lack of a GPU.)
  std::string precision = "fp32";
  // Tests replace the question to the CPU.
  std::function<bool()> cpu_has_bf16 = CpuHasBf16;
};

// InvalidArgument if the device is unknown or not available.
absl::Status CheckDevice(const std::string& device);
// Like CheckDevice; also InvalidArgument if layout or precision is unknown or not supported by the
// device.
absl::Status CheckEncoderOptions(const EncoderOptions& options);

// Loads a verified checkpoint onto a device, folds batch norms into convolutions, and verifies the
// result on the golden probe, in float32 and in the precision that serves. InvalidArgument
// for a device that is not available, an option that it does not support, or an invalid manifest;
// DataLoss, naming the tensor, if the weights do not fit the manifest, and if the probe's
// embeddings differ; FailedPrecondition if they differ in reduced precision alone.
absl::StatusOr<std::unique_ptr<const Encoder>> LoadEncoder(const Checkpoint& checkpoint,
                                                           const EncoderOptions& options = {});

// Lets other libraries that use OpenMP on the calling thread have as many threads as encoders have
// (EncoderOptions::threads); a thread that encodes has adopted them already. Only the first call of
// a thread counts, and it must come after LoadEncoder. Thread-safe.
void AdoptEncoderThreads();

// The fixed images of GoldenProbe.image "s2p-probe-1": the same bytes on every machine.
Image ProbeImage(v1::Modality modality);

}  // namespace s2p

#endif  // S2P_MODEL_ENCODER_H_
