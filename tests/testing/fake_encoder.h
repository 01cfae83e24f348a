// An Encoder for tests: instant, deterministic, without LibTorch.
#ifndef S2P_TESTS_TESTING_FAKE_ENCODER_H_
#define S2P_TESTS_TESTING_FAKE_ENCODER_H_

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "model/encoder.h"

namespace s2p {

struct FakeEncoderOptions {
  int64_t version = 1;
  int dimension = 16;
  // Attribute k is the mean of colour channel k % 3, divided by 255.
  std::vector<std::string> attributes = {"red", "green", "blue"};
  // Runs at the start of every Encode, on its thread, to count, block or fail. Encode returns its
  // status if it is not ok.
  std::function<absl::Status(absl::Span<const EncoderInput>)> on_encode;
  // The same for Preprocess, which gets the image.
  std::function<absl::Status(const Image&)> on_preprocess;
  // The time that Encode reports for each image, however long it takes.
  absl::Duration encode_time_per_image = absl::Microseconds(1);
};

// Averages the image over a 4 x 4 grid and multiplies with a matrix of +-1 drawn from the version.
// Therefore the same pixels give the same vector in any batch; similar images score high, also
// sketch and photo of the same pixels (0.99 and above, though not exactly 1, because the modality
// enters a little); and vectors of two versions are unrelated. Preprocessed pixels are those of the
// image, combined with the version by exclusive or, so that only their own version can read them.
// Immutable; thread-safe if `on_encode` and `on_preprocess` are.
class FakeEncoder final : public Encoder {
 public:
  explicit FakeEncoder(FakeEncoderOptions options = {}) : options_(std::move(options)) {
    S2P_CHECK(options_.dimension > 0);
  }
  explicit FakeEncoder(int64_t version) : FakeEncoder(WithVersion(version)) {}

  int64_t version() const override { return options_.version; }
  int dimension() const override { return options_.dimension; }
  const std::vector<std::string>& attributes() const override { return options_.attributes; }
  std::string device() const override { return "cpu"; }

  absl::StatusOr<PreprocessedImage> Preprocess(const Image& image,
                                               v1::Modality modality) const override {
    if (options_.on_preprocess) {
      S2P_RETURN_IF_ERROR(options_.on_preprocess(image));
    }
    if (image.empty()) return absl::InvalidArgumentError("inputs[0].image: empty");
    return PreprocessedImage{options_.version, modality, Masked(image)};
  }

  // Whether Encode takes what was preprocessed, and not the image.
  bool IsPreprocessed(const EncoderInput& input) const {
    return input.preprocessed != nullptr && input.preprocessed->version == options_.version &&
           input.preprocessed->modality == input.modality;
  }

  absl::StatusOr<Encoding> Encode(absl::Span<const EncoderInput> inputs) const override {
    if (options_.on_encode) {
      S2P_RETURN_IF_ERROR(options_.on_encode(inputs));
    }
    const int n = static_cast<int>(inputs.size());
    Encoding encoding;
    encoding.embeddings = EmbeddingMatrix(n, options_.dimension);
    encoding.attributes = EmbeddingMatrix(n, static_cast<int>(options_.attributes.size()));
    for (int i = 0; i < n; ++i) {
      const EncoderInput& input = inputs[i];
      if (input.image == nullptr || input.image->empty()) {
        return absl::InvalidArgumentError(absl::StrCat("inputs[", i, "].image: empty"));
      }
      const Statistics statistics =
          IsPreprocessed(input) ? StatisticsOf(Masked(input.preprocessed->pixels), input.modality)
                                : StatisticsOf(*input.image, input.modality);
      Project(statistics, encoding.embeddings.row(i));
      absl::Span<float> attributes = encoding.attributes.row(i);
      for (size_t k = 0; k < attributes.size(); ++k) attributes[k] = MeanOf(statistics, k % 3);
    }
    encoding.preprocess_time = absl::Microseconds(1);
    encoding.encode_time = n * options_.encode_time_per_image;
    return encoding;
  }

 private:
  static constexpr int kGrid = 4;
  static constexpr int kCells = kGrid * kGrid;
  // Cell means by channel, centred on 0; then a constant, so that no image is the zero vector; then
  // the modality.
  using Statistics = std::array<double, kCells * Image::kChannels + 2>;

  static FakeEncoderOptions WithVersion(int64_t version) {
    FakeEncoderOptions options;
    options.version = version;
    return options;
  }

  // Its own inverse.
  Image Masked(const Image& image) const {
    Image result = image;
    const auto mask = static_cast<uint8_t>(options_.version);
    for (int y = 0; y < result.height(); ++y) {
      uint8_t* const row = result.row(y);
      for (int i = 0; i < result.width() * Image::kChannels; ++i) row[i] ^= mask;
    }
    return result;
  }

  static Statistics StatisticsOf(const Image& image, v1::Modality modality) {
    Statistics sums{};
    std::array<double, kCells> counts{};
    for (int y = 0; y < image.height(); ++y) {
      const uint8_t* row = image.row(y);
      for (int x = 0; x < image.width(); ++x) {
        const int cell = y * kGrid / image.height() * kGrid + x * kGrid / image.width();
        counts[cell] += 1;
        for (int c = 0; c < Image::kChannels; ++c) {
          sums[cell * Image::kChannels + c] += row[x * Image::kChannels + c] / 255.0 - 0.5;
        }
      }
    }
    for (int i = 0; i < kCells * Image::kChannels; ++i) {
      if (counts[i / Image::kChannels] > 0) sums[i] /= counts[i / Image::kChannels];
    }
    sums[kCells * Image::kChannels] = 0.1;
    sums[kCells * Image::kChannels + 1] = modality == v1::MODALITY_SKETCH ? 0.02 : 0;
    return sums;
  }

  static float MeanOf(const Statistics& statistics, size_t channel) {
    double sum = 0;
    for (int cell = 0; cell < kCells; ++cell) sum += statistics[cell * Image::kChannels + channel];
    return static_cast<float>(sum / kCells + 0.5);
  }

  // +1 or -1: the last bit of splitmix64 over version and position.
  double Sign(size_t row, size_t column) const {
    uint64_t z = static_cast<uint64_t>(options_.version) * 0x9E3779B97F4A7C15u +
                 (static_cast<uint64_t>(row) << 32 | column) + 1;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return ((z ^ (z >> 31)) & 1) != 0 ? 1 : -1;
  }

  void Project(const Statistics& statistics, absl::Span<float> out) const {
    for (size_t row = 0; row < out.size(); ++row) {
      double sum = 0;
      for (size_t k = 0; k < statistics.size(); ++k) sum += Sign(row, k) * statistics[k];
      out[row] = static_cast<float>(sum);
    }
    // Sums of zero in every row practically never happen, but would make a test hard to understand.
    S2P_CHECK(NormalizeL2(out));
  }

  const FakeEncoderOptions options_;
};

}  // namespace s2p

#endif  // S2P_TESTS_TESTING_FAKE_ENCODER_H_
