#include "image/ink_tone.h"

#include <algorithm>
#include <cstdint>
#include <opencv2/imgproc.hpp>

#include "image/illumination.h"

namespace s2p {
namespace {

constexpr int kChannels = 3;
// Channels of coloured ink differ by more than this, and this share of the ink has a colour.
constexpr int kColour = 32;
constexpr double kColouredShare = 0.2;
// Colours are looked for in every second row.
constexpr int kEvery = 2;
// The ground's colour is that of a copy of this longer side.
constexpr int kGroundPixels = 128;

uint8_t Darkest(const uint8_t* pixel) { return std::min(std::min(pixel[0], pixel[1]), pixel[2]); }

uint8_t Lightest(const uint8_t* pixel) { return std::max(std::max(pixel[0], pixel[1]), pixel[2]); }

// CV_8U: `tone` of each pixel.
template <typename Tone>
cv::Mat OfEach(const cv::Mat& picture, const Tone& tone) {
  cv::Mat tones(picture.size(), CV_8U);
  for (int y = 0; y < picture.rows; ++y) {
    const uint8_t* pixel = picture.ptr(y);
    uint8_t* out = tones.ptr(y);
    for (int x = 0; x < picture.cols; ++x, pixel += kChannels) out[x] = tone(pixel);
  }
  return tones;
}

}  // namespace

InkTone InkTone::OnGround(const cv::Vec3b& colour) {
  InkTone tone;
  const int lightest = std::max({colour[0], colour[1], colour[2], uint8_t{1}});
  if (std::min({colour[0], colour[1], colour[2]}) == lightest) return tone;
  tone.balance_.create(1, 256, CV_8UC3);
  for (int value = 0; value < 256; ++value) {
    for (int channel = 0; channel < kChannels; ++channel) {
      const int ground = std::max<int>(1, colour[channel]);
      tone.balance_.at<cv::Vec3b>(value)[channel] =
          static_cast<uint8_t>(std::min(255, (value * lightest + ground / 2) / ground));
    }
  }
  return tone;
}

InkTone InkTone::OfLightInk() {
  InkTone tone;
  tone.inverted_ = true;
  return tone;
}

cv::Mat InkTone::Of(const cv::Mat& picture) const {
  if (inverted_) {
    return OfEach(picture, [](const uint8_t* pixel) { return uint8_t(255 - Lightest(pixel)); });
  }
  if (balance_.empty()) return OfEach(picture, Darkest);
  cv::Mat balanced;
  cv::LUT(picture, balance_, balanced);
  return OfEach(balanced, Darkest);
}

cv::Vec3b BorderColour(const cv::Mat& picture) {
  cv::Mat copy;
  cv::resize(picture, copy, Within(picture.size(), kGroundPixels), 0, 0, cv::INTER_NEAREST);
  cv::Vec3b colour;
  for (int channel = 0; channel < kChannels; ++channel) {
    cv::Mat plane;
    cv::extractChannel(copy, plane, channel);
    colour[channel] = static_cast<uint8_t>(BorderLevels(plane).At(0.5));
  }
  return colour;
}

bool IsColoured(const cv::Mat& picture, const cv::Mat& ink) {
  int seen = 0, coloured = 0;
  for (int y = 0; y < ink.rows; y += kEvery) {
    const uint8_t* is_ink = ink.ptr(y);
    const uint8_t* pixel = picture.ptr(y);
    for (int x = 0; x < ink.cols; ++x, pixel += kChannels) {
      if (is_ink[x] == 0) continue;
      ++seen;
      if (Lightest(pixel) - Darkest(pixel) > kColour) ++coloured;
    }
  }
  return coloured > kColouredShare * seen;
}

}  // namespace s2p
