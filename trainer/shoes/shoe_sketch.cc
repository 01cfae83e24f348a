#include <algorithm>
#include <cmath>
#include <map>
#include <opencv2/imgproc.hpp>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "trainer/shoes/shoe_drawing.h"
#include "trainer/shoes/shoe_picture.h"
#include "trainer/shoes/shoe_pose.h"

namespace s2p {
namespace {

// Drawn larger, then reduced: that is the anti-aliasing.
constexpr int kScale = 4;
constexpr int kSide = kScale * kShoePicturePixels;
// Distance between the points of a stroke, in pixels of the large picture.
constexpr double kSpacing = 4;

std::vector<cv::Point> Pixels(const ShoeCurve& curve) {
  std::vector<cv::Point> pixels;
  for (const ShoePoint& point : curve) {
    pixels.emplace_back(static_cast<int>(std::lround(point.x)),
                        static_cast<int>(std::lround(point.y)));
  }
  return pixels;
}

uint8_t At(const cv::Mat& map, double x, double y) {
  const int column = std::clamp(static_cast<int>(x), 0, map.cols - 1);
  const int row = std::clamp(static_cast<int>(y), 0, map.rows - 1);
  return map.at<uint8_t>(row, column);
}

ShoeCurve Resampled(const ShoeCurve& curve) {
  ShoeCurve even{curve.front()};
  double left = kSpacing;
  for (size_t i = 1; i < curve.size(); ++i) {
    ShoePoint from = curve[i - 1];
    double step = Distance(from, curve[i]);
    while (step >= left) {
      from = Between(from, curve[i], left / step);
      even.push_back(from);
      step = Distance(from, curve[i]);
      left = kSpacing;
    }
    left -= step;
  }
  even.push_back(curve.back());
  return even;
}

// The lines of the shoe that a person sees: without hidden pieces and lines along other lines, and
// cut where the pen would be lifted.
class VisibleLines {
 public:
  VisibleLines(const ShoeDrawing& drawing, const ShoePlacement& placement)
      : drawing_(drawing),
        placement_(placement),
        owner_(kSide, kSide, CV_8U, cv::Scalar(0)),
        taken_(kSide, kSide, CV_8U, cv::Scalar(0)) {
    for (size_t i = 0; i < drawing.parts.size(); ++i) {
      owner_.setTo(static_cast<double>(i + 1), MaskOf(static_cast<int>(i)));
    }
  }

  std::vector<ShoeCurve> OfPart(int index) {
    const ShoePart& part = drawing_.parts[static_cast<size_t>(index)];
    ShoeCurve closed = part.outline;
    closed.push_back(closed.front());
    return Visible(closed, part.within, index + 1);
  }

  std::vector<ShoeCurve> OfLine(const ShoeLine& line) {
    return Visible(line.points, line.within, line.over);
  }

 private:
  const cv::Mat& MaskOf(int index) {
    cv::Mat& mask = masks_[index];
    if (!mask.empty()) return mask;
    const ShoePart& part = drawing_.parts[static_cast<size_t>(index)];
    mask = cv::Mat(kSide, kSide, CV_8U, cv::Scalar(0));
    cv::fillPoly(mask, std::vector<std::vector<cv::Point>>{Pixels(placement_.Place(part.outline))},
                 cv::Scalar(255));
    if (part.within >= 0) cv::min(mask, MaskOf(part.within), mask);
    return mask;
  }

  bool Hidden(ShoePoint p, int over) const {
    constexpr double kMargin = 4;
    for (const auto& [dx, dy] :
         {std::pair{kMargin, 0.0}, {-kMargin, 0.0}, {0.0, kMargin}, {0.0, -kMargin}, {0.0, 0.0}}) {
      if (At(owner_, p.x + dx, p.y + dy) <= over) return false;
    }
    return true;
  }

  std::vector<ShoeCurve> Visible(const ShoeCurve& clean, int within, int over) {
    const ShoeCurve points = Resampled(placement_.Place(clean));
    std::vector<bool> seen;
    for (const ShoePoint& p : points) {
      seen.push_back(!Hidden(p, over) && At(taken_, p.x, p.y) == 0 &&
                     (within < 0 || At(MaskOf(within), p.x, p.y) > 0));
    }
    CloseGaps(seen);
    std::vector<ShoeCurve> runs;
    for (size_t i = 0; i < points.size(); ++i) {
      if (!seen[i]) continue;
      if (i == 0 || !seen[i - 1] || IsCorner(points, i)) runs.emplace_back();
      runs.back().push_back(points[i]);
    }
    for (const ShoeCurve& run : runs) {
      cv::polylines(taken_, std::vector<std::vector<cv::Point>>{Pixels(run)}, false,
                    cv::Scalar(255), 10);
    }
    return runs;
  }

  // A line that another one crosses continues behind it.
  static void CloseGaps(std::vector<bool>& seen) {
    constexpr size_t kLongest = 4;
    for (size_t i = 1; i < seen.size(); ++i) {
      if (seen[i] || !seen[i - 1]) continue;
      size_t end = i;
      while (end < seen.size() && !seen[end]) ++end;
      if (end < seen.size() && end - i <= kLongest) {
        std::fill(seen.begin() + static_cast<std::ptrdiff_t>(i),
                  seen.begin() + static_cast<std::ptrdiff_t>(end), true);
      }
    }
  }

  static bool IsCorner(const ShoeCurve& points, size_t i) {
    constexpr size_t kReach = 2;
    if (i < kReach || i + kReach >= points.size()) return false;
    const ShoePoint a = points[i - kReach], b = points[i], c = points[i + kReach];
    const double dot = (b.x - a.x) * (c.x - b.x) + (b.y - a.y) * (c.y - b.y);
    return dot < 0.35 * Distance(a, b) * Distance(b, c);
  }

  const ShoeDrawing& drawing_;
  const ShoePlacement& placement_;
  std::map<int, cv::Mat> masks_;
  // Number of the part that is seen at each pixel, counted from 1; 0: none.
  cv::Mat owner_;
  cv::Mat taken_;
};

// A hand that draws: what it leaves out, how it wobbles, how thick its pen is.
class Hand {
 public:
  explicit Hand(Random& random)
      : random_(random),
        care_(random.Uniform(0.72, 1)),
        unrest_(random.Uniform(0.5, 1.25)),
        pen_(random.Uniform(3.2, 6.2)) {
    for (auto& wave : waves_) {
      wave = {random.Uniform(-1, 1) * 5.5, random.Uniform(0.6, 1.5) * 2 * kPi / kSide,
              random.Uniform(0, 2 * kPi), random.Uniform(0, 2 * kPi)};
    }
  }

  void Draw(const ShoeCurve& line, double salience, cv::Mat& paper) {
    if (!random_.Chance(std::min(1.0, salience * care_ + 0.1 * salience))) return;
    size_t begin = 0;
    while (begin + 1 < line.size()) {
      const auto wanted = static_cast<size_t>(random_.Uniform(25, 90));
      // A remainder of a few points belongs to the stroke.
      const size_t end = line.size() - begin < wanted + 10 ? line.size() : begin + wanted;
      const ShoeCurve piece(line.begin() + static_cast<std::ptrdiff_t>(begin),
                            line.begin() + static_cast<std::ptrdiff_t>(end));
      begin = end - 1;
      const bool tiny = piece.size() < 4;
      if (tiny ? random_.Chance(0.5) : random_.Chance(0.05 * (2 - care_))) continue;
      Pull(piece, paper);
      if (!tiny && random_.Chance(0.06)) Pull(piece, paper);
      if (end == line.size()) return;
    }
  }

 private:
  struct Wave {
    double height, frequency, phase_x, phase_y;
  };

  // Wrong proportions: the same for all strokes.
  ShoePoint Misplaced(ShoePoint p) const {
    return {p.x + waves_[0].height * std::sin(waves_[0].frequency * p.y + waves_[0].phase_x) +
                waves_[1].height * std::sin(waves_[1].frequency * p.x + waves_[1].phase_y),
            p.y + waves_[2].height * std::sin(waves_[2].frequency * p.x + waves_[2].phase_x) +
                waves_[3].height * std::sin(waves_[3].frequency * p.y + waves_[3].phase_y)};
  }

  // One stroke.
  void Pull(const ShoeCurve& piece, cv::Mat& paper) {
    const ShoePoint middle = piece[piece.size() / 2];
    const double length = kSpacing * static_cast<double>(piece.size());
    const double turn = std::clamp(random_.Normal() * 0.022 * unrest_, -0.07, 0.07);
    const double size = 1 + std::clamp(random_.Normal() * 0.02 * unrest_, -0.06, 0.06);
    const double shift_x = random_.Normal() * 2 * unrest_;
    const double shift_y = random_.Normal() * 2 * unrest_;
    const double wobble = random_.Uniform(0.2, 1) * std::min(2.6, 0.02 * length) * unrest_;
    const double frequency = 2 * kPi / random_.Uniform(50, 160);
    const double phase = random_.Uniform(0, 2 * kPi);
    ShoeCurve stroke;
    for (size_t i = 0; i < piece.size(); ++i) {
      const double dx = size * (piece[i].x - middle.x);
      const double dy = size * (piece[i].y - middle.y);
      const double wave = wobble * std::sin(frequency * kSpacing * static_cast<double>(i) + phase);
      stroke.push_back(Misplaced({middle.x + dx - turn * dy + shift_x + 0.7 * wave,
                                  middle.y + dy + turn * dx + shift_y + 0.7 * wave}));
    }
    if (length > 30) Overshoot(stroke);
    const int thickness =
        std::max(2, static_cast<int>(std::lround(pen_ * random_.Uniform(0.9, 1.1))));
    cv::polylines(paper, std::vector<std::vector<cv::Point>>{Pixels(stroke)}, false, cv::Scalar(0),
                  thickness, cv::LINE_AA);
  }

  // The ends go too far, or not far enough.
  void Overshoot(ShoeCurve& stroke) {
    const double first = random_.Uniform(-6, 8) * unrest_;
    const double last = random_.Uniform(-6, 8) * unrest_;
    Extend(stroke, last);
    std::reverse(stroke.begin(), stroke.end());
    Extend(stroke, first);
  }

  static void Extend(ShoeCurve& stroke, double by) {
    if (by < 0) {
      const auto drop = static_cast<size_t>(-by / kSpacing);
      if (stroke.size() > drop + 4) stroke.resize(stroke.size() - drop);
      return;
    }
    const ShoePoint end = stroke.back();
    const ShoePoint before = stroke[stroke.size() - std::min<size_t>(4, stroke.size())];
    const double length = Distance(before, end);
    if (length > 0) stroke.push_back(Between(before, end, 1 + by / length));
  }

  Random& random_;
  const double care_;
  const double unrest_;
  const double pen_;
  Wave waves_[4];
};

Image Sketch(const ShoeShape& shape, uint64_t seed) {
  Random random(seed);
  const ShoePose pose = RandomPose(random, 0.5);
  const ShoeDrawing drawing = DrawShoe(shape, pose.lift);
  const ShoePlacement placement(pose, drawing, kSide);
  VisibleLines lines(drawing, placement);
  Hand hand(random);
  cv::Mat paper(kSide, kSide, CV_8U, cv::Scalar(255));
  for (size_t i = 0; i < drawing.parts.size(); ++i) {
    for (const ShoeCurve& line : lines.OfPart(static_cast<int>(i))) {
      hand.Draw(line, drawing.parts[i].salience, paper);
    }
  }
  for (const ShoeLine& line : drawing.lines) {
    for (const ShoeCurve& piece : lines.OfLine(line)) hand.Draw(piece, line.salience, paper);
  }
  cv::Mat small;
  cv::resize(paper, small, cv::Size(kShoePicturePixels, kShoePicturePixels), 0, 0, cv::INTER_AREA);
  Image image(kShoePicturePixels, kShoePicturePixels);
  for (int y = 0; y < image.height(); ++y) {
    uint8_t* row = image.row(y);
    for (int x = 0; x < image.width(); ++x, row += Image::kChannels) {
      std::fill(row, row + Image::kChannels, small.at<uint8_t>(y, x));
    }
  }
  return image;
}

}  // namespace

absl::StatusOr<Image> SketchShoe(const ShoeShape& shape, uint64_t seed) {
  try {
    return Sketch(shape, seed);
  } catch (const cv::Exception& error) {
    return absl::InternalError(absl::StrCat("sketching a shoe: ", error.what()));
  }
}

}  // namespace s2p
