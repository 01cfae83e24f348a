#include <algorithm>
#include <array>
#include <cmath>
#include <opencv2/imgproc.hpp>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "trainer/shoes/shoe_drawing.h"
#include "trainer/shoes/shoe_palette.h"
#include "trainer/shoes/shoe_picture.h"
#include "trainer/shoes/shoe_pose.h"

namespace s2p {
namespace {

// Drawn larger, then reduced: that is the anti-aliasing.
constexpr int kScale = 3;
constexpr int kSide = kScale * kShoePicturePixels;
// Extra bits of the coordinates that OpenCV draws at.
constexpr int kShift = 4;

std::vector<cv::Point> Pixels(const ShoeCurve& curve) {
  std::vector<cv::Point> pixels;
  for (const ShoePoint& point : curve) {
    pixels.emplace_back(static_cast<int>(std::lround(point.x * (1 << kShift))),
                        static_cast<int>(std::lround(point.y * (1 << kShift))));
  }
  return pixels;
}

cv::Vec3f Vector(const ShoeColour& colour) {
  return {static_cast<float>(colour[0]), static_cast<float>(colour[1]),
          static_cast<float>(colour[2])};
}

cv::Rect Grown(cv::Rect box, int by) {
  return cv::Rect(box.x - by, box.y - by, box.width + 2 * by, box.height + 2 * by) &
         cv::Rect(0, 0, kSide, kSide);
}

// White noise, then blurred to each of three grains; standard deviation about 1.
class Grain {
 public:
  explicit Grain(Random& random) {
    cv::Mat white(kSide, kSide, CV_32F);
    for (int y = 0; y < kSide; ++y) {
      for (int x = 0; x < kSide; ++x) {
        white.at<float>(y, x) = static_cast<float>(random.Uniform(-1.73, 1.73));
      }
    }
    constexpr double kSigmas[] = {0.8, 2.2, 9};
    for (size_t i = 0; i < grains_.size(); ++i) {
      cv::GaussianBlur(white, grains_[i], cv::Size(), kSigmas[i]);
      grains_[i] *= 2 * 1.77 * kSigmas[i];
    }
  }
  const cv::Mat& Of(ShoeTexture texture) const {
    return grains_[texture == ShoeTexture::kSuede ? 1 : texture == ShoeTexture::kMottled ? 2 : 0];
  }

 private:
  std::array<cv::Mat, 3> grains_;
};

float WeightOf(ShoeTexture texture) {
  switch (texture) {
    case ShoeTexture::kSmooth:
    case ShoeTexture::kPatent:
      return 0.012f;
    case ShoeTexture::kSuede:
      return 0.07f;
    case ShoeTexture::kMottled:
      return 0.16f;
    case ShoeTexture::kWoven:
    case ShoeTexture::kStriped:
      return 0.03f;
  }
  return 0;
}

// Part after part onto a canvas of linear-ish RGB in [0, 255].
class Studio {
 public:
  Studio(const ShoePalette& palette, ShoePhotoStyle style, const ShoePlacement& placement,
         Random& random)
      : palette_(palette),
        flat_(style == ShoePhotoStyle::kStudio),
        placement_(placement),
        grain_(random),
        light_(cv::normalize(cv::Vec3f(static_cast<float>(random.Uniform(-0.7, 0.5)),
                                       static_cast<float>(random.Uniform(-0.9, -0.45)),
                                       static_cast<float>(random.Uniform(0.6, 1))))),
        ambient_(static_cast<float>(random.Uniform(0.42, 0.6))),
        canvas_(kSide, kSide, CV_32FC3),
        silhouette_(kSide, kSide, CV_8U, cv::Scalar(0)) {
    if (flat_) {
      PaintRoom(random);
    } else {
      PaintSheet(random);
    }
  }

  void CastShadow(const ShoeDrawing& drawing, Random& random) {
    double left = kSide, right = 0, bottom = 0;
    for (const ShoePart& part : drawing.parts) {
      if (part.material != ShoeMaterial::kSole && part.material != ShoeMaterial::kHeel) continue;
      for (const ShoePoint& point : placement_.Place(part.outline)) {
        left = std::min(left, point.x);
        right = std::max(right, point.x);
        bottom = std::max(bottom, point.y);
      }
    }
    cv::Mat shadow(kSide, kSide, CV_32F, cv::Scalar(0));
    const double drift = random.Uniform(-0.06, 0.1) * kSide;
    cv::ellipse(
        shadow,
        cv::Point(static_cast<int>((left + right) / 2 + drift), static_cast<int>(bottom) - 4),
        cv::Size(static_cast<int>((right - left) * 0.5), kSide / 40), 0, 0, 360, cv::Scalar(1),
        cv::FILLED);
    cv::GaussianBlur(shadow, shadow, cv::Size(), random.Uniform(4, 12));
    const auto depth = static_cast<float>(random.Uniform(0.1, flat_ ? 0.5 : 0.4));
    for (int y = 0; y < kSide; ++y) {
      for (int x = 0; x < kSide; ++x) {
        canvas_.at<cv::Vec3f>(y, x) *= 1 - depth * shadow.at<float>(y, x);
      }
    }
  }

  void Paint(const ShoePart& part) {
    cv::Mat& mask = masks_.emplace_back(kSide, kSide, CV_8U, cv::Scalar(0));
    cv::fillPoly(mask, std::vector<std::vector<cv::Point>>{Pixels(placement_.Place(part.outline))},
                 cv::Scalar(255), cv::LINE_AA, kShift);
    if (part.within >= 0) cv::min(mask, masks_[static_cast<size_t>(part.within)], mask);
    const cv::Rect box = cv::boundingRect(mask);
    if (box.empty()) return;
    if (!flat_) DarkenAround(mask, box);
    Shade(part.material, mask, Grown(box, 2));
    cv::max(silhouette_, mask, silhouette_);
  }

  void Paint(const ShoeLine& line) {
    const double unit = placement_.pixels_per_unit();
    const ShoeCurve points = placement_.Place(line.points);
    if (line.kind == ShoeLineKind::kCord) {
      const int thickness = std::max(3, static_cast<int>(unit * 0.015));
      const cv::Vec3f colour = Vector(palette_.colour(ShoeMaterial::kLace));
      Stroke(points, line.within, thickness + 3, colour * 0.4f, 0.7f);
      Stroke(points, line.within, thickness, colour, 1);
      return;
    }
    if (line.kind == ShoeLineKind::kStitches) {
      for (size_t i = 0; i + 1 < points.size(); i += 2) {
        Stroke({points[i], points[i + 1]}, line.within, 2, Vector(palette_.stitches()), 0.75f);
      }
      return;
    }
    Stroke(points, line.within, flat_ ? 3 : 2, cv::Vec3f(0, 0, 0), flat_ ? 0.5f : 0.45f);
    if (flat_) return;
    ShoeCurve beside;
    for (const ShoePoint& point : points) beside.push_back({point.x + 1.6, point.y + 1.6});
    Stroke(beside, line.within, 2, cv::Vec3f(255, 255, 255), 0.16f);
  }

  Image Develop(Random& random) {
    cv::Mat small;
    cv::resize(canvas_, small, cv::Size(kShoePicturePixels, kShoePicturePixels), 0, 0,
               cv::INTER_AREA);
    const double noise = flat_ ? 0 : random.Uniform(0, 3);
    const auto exposure = static_cast<float>(random.Uniform(0.94, 1.05));
    Image image(kShoePicturePixels, kShoePicturePixels);
    for (int y = 0; y < image.height(); ++y) {
      uint8_t* row = image.row(y);
      for (int x = 0; x < image.width(); ++x) {
        const auto grey = static_cast<float>(noise * random.Uniform(-1, 1));
        for (int c = 0; c < Image::kChannels; ++c) {
          const float value = small.at<cv::Vec3f>(y, x)[c] * exposure + grey;
          *row++ = static_cast<uint8_t>(std::clamp(value + 0.5f, 0.0f, 255.0f));
        }
      }
    }
    return image;
  }

 private:
  // Nearly white paper, a little darker towards one side.
  void PaintSheet(Random& random) {
    const double white = random.Uniform(240, 255);
    const double slope_x = random.Uniform(-7, 7) / kSide;
    const double slope_y = random.Uniform(-9, 5) / kSide;
    const double warmth = random.Uniform(-3, 3);
    for (int y = 0; y < kSide; ++y) {
      for (int x = 0; x < kSide; ++x) {
        const double grey = std::min(255.0, white + slope_x * x + slope_y * y);
        canvas_.at<cv::Vec3f>(y, x) =
            Vector({std::min(255.0, grey + warmth), grey, std::min(255.0, grey - warmth)});
      }
    }
  }

  // A wall and a table.
  void PaintRoom(Random& random) {
    const cv::Vec3f wall = Vector(PastelColour(random));
    const cv::Vec3f table = wall * static_cast<float>(random.Uniform(0.78, 0.97));
    const double horizon = random.Uniform(0.45, 0.8) * kSide;
    const double softness = random.Uniform(3, 40);
    for (int y = 0; y < kSide; ++y) {
      const auto t = static_cast<float>(std::clamp((y - horizon) / softness + 0.5, 0.0, 1.0));
      const float fade = 1 - 0.12f * static_cast<float>(y) / kSide;
      const cv::Vec3f colour = (wall * (1 - t) + table * t) * fade;
      for (int x = 0; x < kSide; ++x) canvas_.at<cv::Vec3f>(y, x) = colour;
    }
  }

  // The shadow of a part on what it lies on; not on the background.
  void DarkenAround(const cv::Mat& mask, const cv::Rect& box) {
    constexpr int kReach = 9;
    const cv::Rect area = Grown(box, kReach);
    cv::Mat shadow;
    cv::GaussianBlur(mask(area), shadow, cv::Size(9, 9), 3);
    for (int y = 0; y < area.height; ++y) {
      for (int x = 0; x < area.width; ++x) {
        const float amount = static_cast<float>(shadow.at<uint8_t>(y, x)) / 255 *
                             static_cast<float>(silhouette_(area).at<uint8_t>(y, x)) / 255;
        if (amount > 0) canvas_(area).at<cv::Vec3f>(y, x) *= 1 - 0.5f * amount;
      }
    }
  }

  // Radius of the rounded edge of a part, in units of the shoe.
  static double RoundingOf(ShoeMaterial material) {
    switch (material) {
      case ShoeMaterial::kUpper:
        return 0.13;
      case ShoeMaterial::kHeel:
        return 0.06;
      case ShoeMaterial::kSole:
      case ShoeMaterial::kTrim:
        return 0.03;
      case ShoeMaterial::kFur:
        return 0.04;
      default:
        return 0.012;
    }
  }

  void Shade(ShoeMaterial material, const cv::Mat& mask, const cv::Rect& area) {
    const float radius =
        std::max(2.0f, static_cast<float>(RoundingOf(material) * placement_.pixels_per_unit()));
    cv::Mat inside, distance, height, slope_x, slope_y;
    cv::threshold(mask(area), inside, 127, 255, cv::THRESH_BINARY);
    cv::distanceTransform(inside, distance, cv::DIST_L2, 3);
    height.create(area.size(), CV_32F);
    for (int y = 0; y < area.height; ++y) {
      for (int x = 0; x < area.width; ++x) {
        const float d = std::min(radius, distance.at<float>(y, x));
        height.at<float>(y, x) = std::sqrt(d * (2 * radius - d));
      }
    }
    cv::GaussianBlur(height, height, cv::Size(), 1 + 0.2 * radius);
    cv::Sobel(height, slope_x, CV_32F, 1, 0, 3, 0.125);
    cv::Sobel(height, slope_y, CV_32F, 0, 1, 3, 0.125);
    const cv::Vec3f colour = Vector(palette_.colour(material));
    const ShoeTexture texture = palette_.texture(material);
    const cv::Vec3f half = cv::normalize(light_ + cv::Vec3f(0, 0, 1));
    for (int y = 0; y < area.height; ++y) {
      for (int x = 0; x < area.width; ++x) {
        const float cover = static_cast<float>(mask.at<uint8_t>(area.y + y, area.x + x)) / 255;
        if (cover == 0) continue;
        const cv::Vec3f normal =
            cv::normalize(cv::Vec3f(-slope_x.at<float>(y, x), -slope_y.at<float>(y, x), 1.0f));
        const float edge = distance.at<float>(y, x);
        const cv::Vec3f shaded =
            flat_ ? Flat(colour, normal, edge)
                  : Round(colour, texture, normal, half, edge, {area.x + x, area.y + y});
        cv::Vec3f& pixel = canvas_.at<cv::Vec3f>(area.y + y, area.x + x);
        pixel = pixel * (1 - cover) + shaded * cover;
      }
    }
  }

  // Two tones and an outline.
  cv::Vec3f Flat(const cv::Vec3f& colour, const cv::Vec3f& normal, float edge) const {
    const float tone = normal.dot(light_) > 0.45f ? 1 : 0.78f;
    return colour * (edge < 2.6f ? 0.42f : tone);
  }

  cv::Vec3f Round(const cv::Vec3f& colour, ShoeTexture texture, const cv::Vec3f& normal,
                  const cv::Vec3f& half, float edge, cv::Point at) const {
    float shade = ambient_ + 0.72f * std::max(0.0f, normal.dot(light_));
    if (edge < 2.5f) shade *= 0.72f;
    shade *= 1 + WeightOf(texture) * grain_.Of(texture).at<float>(at);
    if (texture == ShoeTexture::kWoven) {
      shade *= 1 + 0.08f * static_cast<float>(((at.x / 4) + (at.y / 4)) % 2 == 0 ? 1 : -1);
    } else if (texture == ShoeTexture::kStriped) {
      shade *= (at.x * 2 + at.y) / 14 % 2 == 0 ? 1 : 0.72f;
    }
    const float gloss = texture == ShoeTexture::kPatent   ? 150.0f
                        : texture == ShoeTexture::kSmooth ? 45.0f
                                                          : 8.0f;
    const float shine =
        std::pow(std::max(0.0f, normal.dot(half)), texture == ShoeTexture::kPatent ? 40.0f : 14.0f);
    const float glow = gloss * shine * (edge < 2.5f ? 0.3f : 1.0f);
    return colour * shade + cv::Vec3f(glow, glow, glow);
  }

  void Stroke(const ShoeCurve& points, int within, int thickness, const cv::Vec3f& colour,
              float strength) {
    const std::vector<cv::Point> pixels = Pixels(points);
    std::vector<cv::Point> whole;
    for (const cv::Point& p : pixels) whole.emplace_back(p.x >> kShift, p.y >> kShift);
    const cv::Rect area = Grown(cv::boundingRect(whole), thickness + 3);
    if (area.empty()) return;
    cv::Mat mask(kSide, kSide, CV_8U, cv::Scalar(0));
    cv::polylines(mask, std::vector<std::vector<cv::Point>>{pixels}, false, cv::Scalar(255),
                  thickness, cv::LINE_AA, kShift);
    if (within >= 0) cv::min(mask, masks_[static_cast<size_t>(within)], mask);
    for (int y = area.y; y < area.y + area.height; ++y) {
      for (int x = area.x; x < area.x + area.width; ++x) {
        const float cover = strength * static_cast<float>(mask.at<uint8_t>(y, x)) / 255;
        if (cover == 0) continue;
        cv::Vec3f& pixel = canvas_.at<cv::Vec3f>(y, x);
        pixel = pixel * (1 - cover) + colour * cover;
      }
    }
  }

  const ShoePalette& palette_;
  const bool flat_;
  const ShoePlacement& placement_;
  const Grain grain_;
  const cv::Vec3f light_;
  const float ambient_;
  cv::Mat canvas_;
  cv::Mat silhouette_;
  std::vector<cv::Mat> masks_;
};

Image Photograph(const ShoeShape& shape, ShoePhotoStyle style, uint64_t seed) {
  Random random(seed);
  const ShoePose pose = RandomPose(random, style == ShoePhotoStyle::kStudio ? 1.5 : 1);
  const ShoePalette palette(random, style == ShoePhotoStyle::kStudio);
  const ShoeDrawing drawing = DrawShoe(shape, pose.lift);
  const ShoePlacement placement(pose, drawing, kSide);
  Studio studio(palette, style, placement, random);
  studio.CastShadow(drawing, random);
  size_t line = 0;
  for (size_t i = 0; i < drawing.parts.size(); ++i) {
    for (; line < drawing.lines.size() && drawing.lines[line].over <= static_cast<int>(i); ++line) {
      studio.Paint(drawing.lines[line]);
    }
    studio.Paint(drawing.parts[i]);
  }
  for (; line < drawing.lines.size(); ++line) studio.Paint(drawing.lines[line]);
  return studio.Develop(random);
}

}  // namespace

absl::StatusOr<Image> PhotographShoe(const ShoeShape& shape, ShoePhotoStyle style, uint64_t seed) {
  try {
    return Photograph(shape, style, seed);
  } catch (const cv::Exception& error) {
    return absl::InternalError(absl::StrCat("photographing a shoe: ", error.what()));
  }
}

}  // namespace s2p
