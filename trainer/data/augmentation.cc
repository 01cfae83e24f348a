#include "trainer/data/augmentation.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>
#include <vector>

#include "trainer/data/elastic_field.h"
#include "trainer/data/random.h"

namespace s2p {
namespace {

constexpr double kPi = 3.14159265358979323846;

// Every random choice of one image. All are drawn, always and in this order, so that switching one
// kind of change off leaves the others as they were.
struct Choices {
  bool mirror = false;
  double scale = 1;
  double angle = 0;
  double shift_x = 0;  // pixels
  double shift_y = 0;
  double brightness = 1;
  double contrast = 1;
  bool erase = false;
  std::array<double, 4> rectangle{};  // width, height, x, y as shares of the room for them
  uint64_t warp_seed = 0;
};

Choices Draw(const v1::TrainingSpec::AugmentationSpec& spec, const AugmentationChoice& choice,
             const Image& image) {
  Random random(choice.seed);
  Choices choices;
  const bool own_flip = random.Chance(spec.flip());
  choices.mirror = choice.mirror || (own_flip && !choice.paired);
  choices.scale = 1 + random.Uniform(-1, 1) * spec.scale();
  choices.angle = random.Uniform(-1, 1) * spec.rotation_degrees() * (kPi / 180);
  // Whole pixels: a crop alone does not blur.
  const bool as_release = choice.style == AugmentationStyle::kRelease;
  const int longer = std::max(image.width(), image.height());
  const int across = as_release ? longer : image.width();
  const int down = as_release ? longer : image.height();
  choices.shift_x = std::round(random.Uniform(-1, 1) * spec.crop_padding() * across);
  choices.shift_y = std::round(random.Uniform(-1, 1) * spec.crop_padding() * down);
  choices.brightness = 1 + random.Uniform(-1, 1) * spec.color_jitter();
  choices.contrast = 1 + random.Uniform(-1, 1) * spec.color_jitter();
  choices.erase = random.Chance(spec.erase());
  for (double& share : choices.rectangle) share = random.Uniform();
  choices.warp_seed = random.Bits();
  return choices;
}

// The pixels beyond the edge of an image.
enum class Outside { kWhite, kBlack, kNearestPixel };

Outside OutsideOf(const AugmentationChoice& choice) {
  if (choice.style == AugmentationStyle::kRelease) return Outside::kBlack;
  return choice.modality == v1::MODALITY_SKETCH ? Outside::kWhite : Outside::kNearestPixel;
}

// Reads between pixels.
class Sampler {
 public:
  Sampler(const Image& image, Outside outside) : image_(image), outside_(outside) {}

  void Read(double x, double y, uint8_t* out) const {
    const auto left = static_cast<int>(std::floor(x));
    const auto top = static_cast<int>(std::floor(y));
    const double across = x - left;
    const double down = y - top;
    const std::array<const uint8_t*, 4> corners{Pixel(left, top), Pixel(left + 1, top),
                                                Pixel(left, top + 1), Pixel(left + 1, top + 1)};
    for (int channel = 0; channel < Image::kChannels; ++channel) {
      const double upper = corners[0][channel] * (1 - across) + corners[1][channel] * across;
      const double lower = corners[2][channel] * (1 - across) + corners[3][channel] * across;
      out[channel] = static_cast<uint8_t>(upper * (1 - down) + lower * down + 0.5);
    }
  }

 private:
  const uint8_t* Pixel(int x, int y) const {
    static constexpr uint8_t kWhite[Image::kChannels] = {255, 255, 255};
    static constexpr uint8_t kBlack[Image::kChannels] = {0, 0, 0};
    const bool inside = x >= 0 && y >= 0 && x < image_.width() && y < image_.height();
    if (!inside && outside_ != Outside::kNearestPixel) {
      return outside_ == Outside::kWhite ? kWhite : kBlack;
    }
    x = std::clamp(x, 0, image_.width() - 1);
    y = std::clamp(y, 0, image_.height() - 1);
    return image_.row(y) + static_cast<size_t>(x) * Image::kChannels;
  }

  const Image& image_;
  const Outside outside_;
};

Image Mirrored(const Image& image) {
  Image mirrored(image.width(), image.height());
  for (int y = 0; y < image.height(); ++y) {
    for (int x = 0; x < image.width(); ++x) {
      const uint8_t* from = image.row(y) + size_t{Image::kChannels} * (image.width() - 1 - x);
      std::copy(from, from + Image::kChannels, mirrored.row(y) + size_t{Image::kChannels} * x);
    }
  }
  return mirrored;
}

// Scale, rotation, shift and warp in one resampling: several would blur.
Image Resampled(const Image& image, const Choices& choices, double warp, Outside outside) {
  const double cosine = std::cos(choices.angle) / choices.scale;
  const double sine = std::sin(choices.angle) / choices.scale;
  const double middle_x = (image.width() - 1) / 2.0;
  const double middle_y = (image.height() - 1) / 2.0;
  ElasticField field(choices.warp_seed, warp * image.width(), warp * image.height(), image.width(),
                     image.height());
  const Sampler sampler(image, outside);
  Image out(image.width(), image.height());
  for (int y = 0; y < image.height(); ++y) {
    uint8_t* row = out.row(y);
    if (warp > 0) field.BeginRow(y);
    for (int x = 0; x < image.width(); ++x, row += Image::kChannels) {
      double from_x = x - middle_x - choices.shift_x;
      double from_y = y - middle_y - choices.shift_y;
      if (warp > 0) {
        const std::array<double, 2> displacement = field.At(x);
        from_x += displacement[0];
        from_y += displacement[1];
      }
      sampler.Read(cosine * from_x + sine * from_y + middle_x,
                   cosine * from_y - sine * from_x + middle_y, row);
    }
  }
  return out;
}

// The factor of brightness, then the factor of the distance to the image's mean.
void Jitter(const Choices& choices, Image& image) {
  int64_t sum = 0;
  for (const uint8_t value : image.pixels()) sum += value;
  const double mean =
      choices.brightness * static_cast<double>(sum) / static_cast<double>(image.pixels().size());
  std::array<uint8_t, 256> table{};
  for (int value = 0; value < 256; ++value) {
    const double changed = mean + choices.contrast * (value * choices.brightness - mean);
    table[static_cast<size_t>(value)] = static_cast<uint8_t>(std::clamp(changed, 0.0, 255.0) + 0.5);
  }
  for (int y = 0; y < image.height(); ++y) {
    uint8_t* row = image.row(y);
    for (int i = 0; i < image.width() * Image::kChannels; ++i) row[i] = table[row[i]];
  }
}

std::array<uint8_t, Image::kChannels> MeanColour(const Image& image) {
  std::array<int64_t, Image::kChannels> sums{};
  for (size_t i = 0; i < image.pixels().size(); ++i)
    sums[i % Image::kChannels] += image.pixels()[i];
  const int64_t count = static_cast<int64_t>(image.width()) * image.height();
  std::array<uint8_t, Image::kChannels> mean{};
  for (size_t i = 0; i < mean.size(); ++i) mean[i] = static_cast<uint8_t>(sums[i] / count);
  return mean;
}

// Sides of 10 to 40 % of the image's.
void Erase(const Choices& choices, bool sketch, Image& image) {
  std::array<uint8_t, Image::kChannels> fill{255, 255, 255};
  if (!sketch) fill = MeanColour(image);
  const auto side = [](double share, int length) {
    return std::max(1, static_cast<int>((0.1 + 0.3 * share) * length));
  };
  const int width = side(choices.rectangle[0], image.width());
  const int height = side(choices.rectangle[1], image.height());
  const int left = static_cast<int>(choices.rectangle[2] * (image.width() - width + 1));
  const int top = static_cast<int>(choices.rectangle[3] * (image.height() - height + 1));
  for (int y = top; y < top + height; ++y) {
    uint8_t* pixel = image.row(y) + static_cast<size_t>(left) * Image::kChannels;
    for (int x = 0; x < width; ++x) pixel = std::copy(fill.begin(), fill.end(), pixel);
  }
}

}  // namespace

Image Augment(const v1::TrainingSpec::AugmentationSpec& spec, const AugmentationChoice& choice,
              const Image& image) {
  if (image.empty()) return image;
  const bool sketch = choice.modality == v1::MODALITY_SKETCH;
  const Choices choices = Draw(spec, choice, image);
  Image out = choices.mirror ? Mirrored(image) : image;
  const double warp = sketch ? spec.warp() : 0;
  if (choices.scale != 1 || choices.angle != 0 || choices.shift_x != 0 || choices.shift_y != 0 ||
      warp > 0) {
    out = Resampled(out, choices, warp, OutsideOf(choice));
  }
  if (choices.brightness != 1 || choices.contrast != 1) Jitter(choices, out);
  if (choices.erase) Erase(choices, sketch, out);
  return out;
}

}  // namespace s2p
