#include "image/preprocessor.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "image/ground.h"

namespace s2p {
namespace {

// Lighter pixels are background, which JPEG leaves a few levels below white.
constexpr uint8_t kWhiteGround = 235;
// The margin on each side is the longer side divided by this.
constexpr int kGroundShare = 16;
// A part with a longer side than this is reduced first: the square around a longer one would have
// more than 40 megapixels.
constexpr int kLongestPart = 5622;
// The same for a part whose sides differ by more than this factor.
constexpr int kLongestThinPart = 2048;
constexpr int kThin = 8;
constexpr uint32_t kMaxSidePixels = 1024;
constexpr uint32_t kMaxThicken = 8;
constexpr uint32_t kLeastWorkSize = 16;
constexpr uint32_t kMaxWorkSize = 4096;
constexpr uint32_t kMaxShorterSide = 4096;
constexpr int kPrecisionBits = 22;

uint8_t Clip8(int value) { return static_cast<uint8_t>(std::clamp(value, 0, 255)); }

// One output pixel of a pass: the weighted sum of `weights.size()` inputs from `first` on.
struct Taps {
  int first = 0;
  std::vector<int32_t> weights;
};

double Bilinear(double t) { return std::max(0.0, 1.0 - std::abs(t)); }

double Bicubic(double t) {
  t = std::abs(t);
  if (t < 1) return (1.5 * t - 2.5) * t * t + 1;
  return t < 2 ? ((-0.5 * t + 2.5) * t - 4) * t + 2 : 0.0;
}

double Sinc(double t) {
  constexpr double kPi = 3.14159265358979323846;
  return t == 0 ? 1.0 : std::sin(kPi * t) / (kPi * t);
}

double Lanczos(double t) { return t >= -3 && t < 3 ? Sinc(t) * Sinc(t / 3) : 0.0; }

struct Kernel {
  double (*weight)(double);
  double radius;
};

Kernel KernelOf(v1::ResizeFilter filter) {
  if (filter == v1::RESIZE_FILTER_LANCZOS) return {Lanczos, 3};
  if (filter == v1::RESIZE_FILTER_BICUBIC) return {Bicubic, 2};
  return {Bilinear, 1};
}

// One side of a resize, of whose result only a window is computed.
struct Side {
  // The length of the whole result.
  int64_t length;
  // The window: `count` pixels from `first` on.
  int64_t first;
  int count;
};

Side WholeSide(int length) { return {length, 0, length}; }

// Weights of each pixel of the window of one pass, in fixed point.
std::vector<Taps> ResampleTaps(int in, const Side& side, v1::ResizeFilter filter) {
  const Kernel kernel = KernelOf(filter);
  const double scale = static_cast<double>(in) / static_cast<double>(side.length);
  const double filter_scale = std::max(1.0, scale);
  const double support = kernel.radius * filter_scale;
  std::vector<Taps> all(static_cast<size_t>(side.count));
  for (int i = 0; i < side.count; ++i) {
    const double center = (static_cast<double>(side.first + i) + 0.5) * scale;
    const int begin = std::max(0, static_cast<int>(center - support + 0.5));
    const int end = std::min(in, static_cast<int>(center + support + 0.5));
    std::vector<double> weights;
    double sum = 0;
    for (int x = begin; x < end; ++x) {
      weights.push_back(kernel.weight((x - center + 0.5) / filter_scale));
      sum += weights.back();
    }
    all[i].first = begin;
    for (double weight : weights) {
      const double scaled = (sum == 0 ? weight : weight / sum) * (1 << kPrecisionBits);
      all[i].weights.push_back(static_cast<int32_t>(scaled + (weight < 0 ? -0.5 : 0.5)));
    }
  }
  return all;
}

// Sum of `taps` over pixels that lie `stride` bytes apart, for the three channels.
void Resample(const Taps& taps, const uint8_t* in, size_t stride, uint8_t* out) {
  constexpr int32_t kHalf = 1 << (kPrecisionBits - 1);
  int32_t sums[Image::kChannels] = {kHalf, kHalf, kHalf};
  for (const int32_t weight : taps.weights) {
    for (int c = 0; c < Image::kChannels; ++c) sums[c] += weight * in[c];
    in += stride;
  }
  for (int c = 0; c < Image::kChannels; ++c) out[c] = Clip8(sums[c] >> kPrecisionBits);
}

// The rows of an image from `begin` to before `end`.
Image ResizeWidth(const Image& image, const Side& width, int begin, int end,
                  v1::ResizeFilter filter) {
  const std::vector<Taps> taps = ResampleTaps(image.width(), width, filter);
  Image result(width.count, end - begin);
  for (int y = begin; y < end; ++y) {
    uint8_t* out = result.row(y - begin);
    for (int x = 0; x < width.count; ++x) {
      Resample(taps[x], image.row(y) + taps[x].first * Image::kChannels, Image::kChannels,
               out + x * Image::kChannels);
    }
  }
  return result;
}

// `taps` has a row of the result each, and counts rows of which the image lacks the first `begin`.
Image ResizeHeight(const Image& image, const std::vector<Taps>& taps, int begin) {
  const size_t stride = static_cast<size_t>(image.width()) * Image::kChannels;
  Image result(image.width(), static_cast<int>(taps.size()));
  for (int y = 0; y < result.height(); ++y) {
    const uint8_t* in = image.row(taps[y].first - begin);
    uint8_t* out = result.row(y);
    for (int x = 0; x < image.width(); ++x) {
      Resample(taps[y], in + x * Image::kChannels, stride, out + x * Image::kChannels);
    }
  }
  return result;
}

// Each pass in turn, unless it would change nothing; the first computes the rows that the second
// reads.
Image ResizeSides(const Image& image, const Side& width, const Side& height,
                  v1::ResizeFilter filter) {
  const auto unchanged = [](int in, const Side& side) {
    return side.length == in && side.count == in;
  };
  const bool keeps_width = unchanged(image.width(), width);
  if (unchanged(image.height(), height)) {
    return keeps_width ? image : ResizeWidth(image, width, 0, image.height(), filter);
  }
  const std::vector<Taps> taps = ResampleTaps(image.height(), height, filter);
  if (keeps_width) return ResizeHeight(image, taps, 0);
  const int begin = taps.front().first;
  const int end = taps.back().first + static_cast<int>(taps.back().weights.size());
  return ResizeHeight(ResizeWidth(image, width, begin, end, filter), taps, begin);
}

// The middle `count` pixels of a side. A half is rounded to the even neighbour, as Python does.
Side Centre(int64_t length, int count) {
  const int64_t margin = length - count;
  int64_t first = margin / 2;
  if (margin % 2 == 1) first += first % 2;
  return {length, first, count};
}

absl::Status Invalid(absl::string_view field, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(field, ": ", what));
}

absl::Status CheckStatistics(const v1::Preprocessing& preprocessing) {
  if (preprocessing.mean_size() != Image::kChannels)
    return Invalid("mean", "must be three numbers");
  if (preprocessing.std_size() != Image::kChannels) return Invalid("std", "must be three numbers");
  for (int c = 0; c < Image::kChannels; ++c) {
    if (!std::isfinite(preprocessing.mean(c))) return Invalid("mean", "must be finite");
    if (!std::isfinite(preprocessing.std(c)) || preprocessing.std(c) <= 0) {
      return Invalid("std", "must be finite and above 0");
    }
  }
  return absl::OkStatus();
}

Image Cut(const Image& image, int left, int top, int width, int height) {
  Image part(width, height);
  for (int y = 0; y < height; ++y) {
    const uint8_t* from = image.row(top + y) + left * Image::kChannels;
    std::copy_n(from, width * Image::kChannels, part.row(y));
  }
  return part;
}

// The longest side that a part of this shape keeps.
int LongestSide(int width, int height) {
  const bool is_thin = std::max(width, height) > kThin * std::min(width, height);
  return is_thin ? kLongestThinPart : kLongestPart;
}

}  // namespace

absl::StatusOr<Preprocessor> Preprocessor::Create(const v1::Preprocessing& preprocessing) {
  const auto side_ok = [](uint32_t side) { return side >= 1 && side <= kMaxSidePixels; };
  if (!side_ok(preprocessing.height())) return Invalid("height", "must be 1 to 1024");
  if (!side_ok(preprocessing.width())) return Invalid("width", "must be 1 to 1024");
  if (preprocessing.thicken() > kMaxThicken) return Invalid("thicken", "must be 0 to 8");
  const uint32_t work_size = preprocessing.work_size();
  if (work_size != 0 && (work_size < kLeastWorkSize || work_size > kMaxWorkSize)) {
    return Invalid("work_size", "must be 0, or 16 to 4096");
  }
  if (preprocessing.filter() != v1::RESIZE_FILTER_BILINEAR &&
      preprocessing.filter() != v1::RESIZE_FILTER_BICUBIC &&
      preprocessing.filter() != v1::RESIZE_FILTER_LANCZOS) {
    return Invalid(
        "filter", "must be RESIZE_FILTER_BILINEAR, RESIZE_FILTER_BICUBIC or RESIZE_FILTER_LANCZOS");
  }
  const uint32_t shorter = preprocessing.resize_shorter();
  if (shorter != 0 && (shorter < std::max(preprocessing.height(), preprocessing.width()) ||
                       shorter > kMaxShorterSide)) {
    return Invalid("resize_shorter", "must be 0, or from the larger of height and width to 4096");
  }
  S2P_RETURN_IF_ERROR(CheckStatistics(preprocessing));
  return Preprocessor(preprocessing);
}

Preprocessor::Preprocessor(const v1::Preprocessing& preprocessing)
    : spec_(preprocessing),
      height_(static_cast<int>(preprocessing.height())),
      width_(static_cast<int>(preprocessing.width())),
      grey_(preprocessing.grey()),
      edges_(preprocessing.edges()),
      thicken_(static_cast<int>(preprocessing.thicken())),
      resize_first_(preprocessing.resize_first()),
      fit_(preprocessing.fit()),
      filter_(preprocessing.filter()) {
  std::copy(preprocessing.mean().begin(), preprocessing.mean().end(), mean_.begin());
  std::copy(preprocessing.std().begin(), preprocessing.std().end(), std_.begin());
}

Image Preprocessor::Prepare(const Image& image) const {
  S2P_CHECK(!image.empty());
  Image result = !fit_                     ? image
                 : spec_.measured_ground() ? FitToMeasuredInk(image)
                                           : FitToInk(image);
  if (spec_.work_size() > 0) {
    result = Reduce(result, static_cast<int>(spec_.work_size()), filter_);
  }
  if (edges_) result = InvertedEdges(result);
  if (resize_first_) result = ToInputSize(result);
  if (grey_) result = ToGrey(result);
  if (thicken_ > 0) result = Thicken(result, thicken_);
  return resize_first_ ? result : ToInputSize(result);
}

Image Preprocessor::ToInputSize(const Image& image) const {
  if (spec_.resize_shorter() == 0) return Resize(image, width_, height_, filter_);
  return ResizeAndCrop(image, static_cast<int>(spec_.resize_shorter()), width_, height_, filter_);
}

void Preprocessor::Normalize(const Image& prepared, absl::Span<float> out) const {
  S2P_CHECK(prepared.width() == width_ && prepared.height() == height_ && out.size() == size());
  const size_t plane = static_cast<size_t>(height_) * width_;
  for (int c = 0; c < Image::kChannels; ++c) {
    // The result for each value of a byte, computed once.
    std::array<float, 256> value;
    for (int byte = 0; byte < 256; ++byte) {
      value[byte] = (static_cast<float>(byte) / 255.0F - mean_[c]) / std_[c];
    }
    const uint8_t* in = prepared.pixels().data() + c;
    float* to = out.data() + c * plane;
    for (size_t i = 0; i < plane; ++i) to[i] = value[in[i * Image::kChannels]];
  }
}

void Preprocessor::Apply(const Image& image, absl::Span<float> out) const {
  Normalize(Prepare(image), out);
}

Image FitToInk(const Image& image) {
  int left = image.width(), right = -1, top = image.height(), bottom = -1;
  for (int y = 0; y < image.height(); ++y) {
    const uint8_t* in = image.row(y);
    for (int x = 0; x < image.width(); ++x, in += Image::kChannels) {
      if (Luma(in) >= kWhiteGround) continue;
      left = std::min(left, x);
      right = std::max(right, x);
      top = std::min(top, y);
      bottom = y;
    }
  }
  if (right < 0) return image;
  return WhiteSquareAround(image, left, top, right - left + 1, bottom - top + 1);
}

Image WhiteSquareAround(const Image& image, int left, int top, int width, int height) {
  const int longer = std::max(width, height);
  if (const int longest = LongestSide(width, height); longer > longest) {
    const Image part = Reduce(Cut(image, left, top, width, height), longest);
    return WhiteSquareAround(part, 0, 0, part.width(), part.height());
  }
  const int side = longer + 2 * std::max(1, longer / kGroundShare);
  Image square(side, side, 255);
  for (int y = 0; y < height; ++y) {
    const uint8_t* from = image.row(top + y) + left * Image::kChannels;
    std::copy_n(from, width * Image::kChannels,
                square.row((side - height) / 2 + y) + (side - width) / 2 * Image::kChannels);
  }
  return square;
}

Image ToGrey(const Image& image) {
  Image result(image.width(), image.height());
  for (int y = 0; y < image.height(); ++y) {
    const uint8_t* in = image.row(y);
    uint8_t* out = result.row(y);
    for (int x = 0; x < image.width(); ++x, in += Image::kChannels, out += Image::kChannels) {
      std::fill_n(out, Image::kChannels, Luma(in));
    }
  }
  return result;
}

Image InvertedEdges(const Image& image) {
  // The outermost pixels have no full neighbourhood and are only inverted.
  Image result(image.width(), image.height());
  const int stride = image.width() * Image::kChannels;
  for (int y = 0; y < image.height(); ++y) {
    const uint8_t* in = image.row(y);
    uint8_t* out = result.row(y);
    const bool inner_row = y > 0 && y + 1 < image.height();
    for (int i = 0; i < stride; ++i) {
      if (!inner_row || i < Image::kChannels || i >= stride - Image::kChannels) {
        out[i] = static_cast<uint8_t>(255 - in[i]);
        continue;
      }
      constexpr int kNext = Image::kChannels;
      const uint8_t* above = in - stride;
      const uint8_t* below = in + stride;
      const int edge = 8 * in[i] - in[i - kNext] - in[i + kNext] - above[i - kNext] - above[i] -
                       above[i + kNext] - below[i - kNext] - below[i] - below[i + kNext];
      out[i] = static_cast<uint8_t>(255 - Clip8(edge));
    }
  }
  return result;
}

Image Thicken(const Image& image, int passes) {
  Image result = image;
  // The minimum over three by three is the minimum over three rows of the minimum over three
  // columns. Pixels beyond the border repeat the border.
  const size_t stride = static_cast<size_t>(image.width()) * Image::kChannels;
  for (int pass = 0; pass < passes; ++pass) {
    Image across = result;
    for (int y = 0; y < image.height(); ++y) {
      const uint8_t* in = result.row(y);
      uint8_t* out = across.row(y);
      for (size_t i = Image::kChannels; i < stride; ++i) {
        out[i] = std::min(out[i], in[i - Image::kChannels]);
      }
      for (size_t i = Image::kChannels; i < stride; ++i) {
        out[i - Image::kChannels] = std::min(out[i - Image::kChannels], in[i]);
      }
    }
    for (int y = 0; y < image.height(); ++y) {
      const uint8_t* above = across.row(std::max(0, y - 1));
      const uint8_t* here = across.row(y);
      const uint8_t* below = across.row(std::min(image.height() - 1, y + 1));
      uint8_t* out = result.row(y);
      for (size_t i = 0; i < stride; ++i) out[i] = std::min({above[i], here[i], below[i]});
    }
  }
  return result;
}

Image Resize(const Image& image, int width, int height, v1::ResizeFilter filter) {
  S2P_CHECK(!image.empty() && width > 0 && height > 0);
  return ResizeSides(image, WholeSide(width), WholeSide(height), filter);
}

Image ResizeAndCrop(const Image& image, int shorter, int width, int height,
                    v1::ResizeFilter filter) {
  S2P_CHECK(!image.empty() && width > 0 && height > 0 && shorter >= std::max(width, height));
  const int64_t now = std::min(image.width(), image.height());
  return ResizeSides(image, Centre(int64_t{shorter} * image.width() / now, width),
                     Centre(int64_t{shorter} * image.height() / now, height), filter);
}

Image Reduce(const Image& image, int longer, v1::ResizeFilter filter) {
  const int now = std::max(image.width(), image.height());
  if (now <= longer) return image;
  const auto reduced = [&](int side) {
    return std::max(1, static_cast<int>(std::lround(static_cast<double>(side) * longer / now)));
  };
  return Resize(image, reduced(image.width()), reduced(image.height()), filter);
}

}  // namespace s2p
