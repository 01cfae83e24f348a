#include "trainer/pseudo/pseudo_sketch.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>
#include <utility>
#include <vector>

#include "base/check.h"
#include "image/strokes.h"
#include "trainer/data/elastic_field.h"
#include "trainer/data/random.h"
#include "trainer/pseudo/edge_strokes.h"
#include "trainer/pseudo/line_maps.h"
#include "trainer/pseudo/shown_object.h"

namespace s2p {
namespace {

// Streams of random numbers that a sketch's seed is split into.
enum Stream : uint64_t { kStyle = 1, kDistortion = 2, kDrawing = 3 };

constexpr int kSide = kPseudoSketchPixels;
// Step between the places of successive sketches among the styles: multiples of the golden ratio
// fill an interval evenly, however many there are.
constexpr double kGoldenRatio = 0.6180339887498949;
// Proportions are wrong by up to this many times the wobble.
constexpr double kProportions = 3;
// Edges nearer than this to the outline are the outline's, in pixels.
constexpr int kOutlineReach = 4;
// Shorter traces are texture, in pixels.
constexpr size_t kLeastTrace = 10;
// More than a person would draw; the longest are kept.
constexpr size_t kMostTraces = 150;
// Points of a stroke are about this far apart, in pixels.
constexpr size_t kStep = 2;

std::array<double, kPseudoStyles> WeightsOf(const PseudoSketchOptions& options) {
  return {options.strokes, options.edges, options.difference_of_gaussians, options.pencil,
          options.contour};
}

// The errors of a hand and an eye: wrong proportions, a slant, and a smooth warp.
class Distortion {
 public:
  Distortion(uint64_t seed, double wobble)
      : field_(seed, wobble * kSide, wobble * kSide, kSide, kSide) {
    Random random(SeedOf(seed, 1));
    const double most = kProportions * wobble;
    scale_x_ = 1 + most * random.Uniform(-1, 1);
    scale_y_ = 1 + most * random.Uniform(-1, 1);
    slant_x_ = most * random.Uniform(-1, 1) / 2;
    slant_y_ = most * random.Uniform(-1, 1) / 2;
  }

  std::array<double, 2> Of(double x, double y) const {
    const auto [shift_x, shift_y] = field_.AtPoint(x, y);
    const double from_x = x - kSide / 2.0, from_y = y - kSide / 2.0;
    return {kSide / 2.0 + scale_x_ * from_x + slant_x_ * from_y + shift_x,
            kSide / 2.0 + scale_y_ * from_y + slant_y_ * from_x + shift_y};
  }

 private:
  const ElasticField field_;
  double scale_x_, scale_y_, slant_x_, slant_y_;
};

// A map of lines (CV_8UC1, dark on white), distorted.
Image Distorted(const cv::Mat& lines, const Distortion& distortion) {
  cv::Mat from_x(kSide, kSide, CV_32F), from_y(kSide, kSide, CV_32F);
  for (int y = 0; y < kSide; ++y) {
    for (int x = 0; x < kSide; ++x) {
      const auto from = distortion.Of(x, y);
      from_x.at<float>(y, x) = static_cast<float>(from[0]);
      from_y.at<float>(y, x) = static_cast<float>(from[1]);
    }
  }
  cv::Mat distorted;
  cv::remap(lines, distorted, from_x, from_y, cv::INTER_LINEAR, cv::BORDER_CONSTANT, 255);
  Image image(kSide, kSide);
  for (int y = 0; y < kSide; ++y) {
    for (int x = 0; x < kSide; ++x) {
      std::fill_n(image.row(y) + x * Image::kChannels, Image::kChannels,
                  distorted.at<uint8_t>(y, x));
    }
  }
  return image;
}

// Draws traces with one pen, each a little beside its place.
class Pen {
 public:
  Pen(Random& random, const Distortion& distortion) : random_(random), distortion_(distortion) {
    width_ = random.Uniform(1.2, 3.2);
    unsteady_ = random.Uniform(0, 0.8);
  }

  void Draw(const Trace& trace) {
    const double beside_x = unsteady_ * random_.Normal(), beside_y = unsteady_ * random_.Normal();
    Stroke stroke;
    stroke.width = static_cast<float>(width_ * random_.Uniform(0.85, 1.15));
    double pressure = random_.Uniform(0.7, 1);
    for (size_t i = 0; i < trace.size(); i += kStep) {
      // The last point belongs to it, whatever the step.
      const auto& point = trace[i + kStep < trace.size() ? i : trace.size() - 1];
      const auto place = distortion_.Of(point[0] + 0.5 + beside_x, point[1] + 0.5 + beside_y);
      pressure = std::clamp(pressure + 0.03 * random_.Normal(), 0.5, 1.0);
      stroke.points.push_back({static_cast<float>(place[0]), static_cast<float>(place[1]),
                               static_cast<float>(pressure)});
    }
    strokes_.push_back(std::move(stroke));
  }

  // White if nothing was drawn.
  Image Take() && {
    if (strokes_.empty()) return Image(kSide, kSide);
    auto image = RasterizeStrokes({kSide, kSide, std::move(strokes_)});
    S2P_CHECK(image.ok());
    return *std::move(image);
  }

 private:
  Random& random_;
  const Distortion& distortion_;
  double width_, unsteady_;
  std::vector<Stroke> strokes_;
};

// A closed outline as people draw it: in one to four strokes that need not meet.
void DrawOutline(const Trace& outline, Random& random, Pen& pen) {
  const auto count = static_cast<int>(outline.size());
  const int pieces = 1 + random.Index(4);
  const int first = random.Index(count);
  for (int i = 0; i < pieces; ++i) {
    const int begin = first + count * i / pieces;
    // Beyond the next one's begin, or short of it.
    const int end = first + count * (i + 1) / pieces + static_cast<int>(3 * random.Normal());
    Trace piece;
    for (int at = begin; at <= end; ++at) {
      piece.push_back(outline[static_cast<size_t>(at % count)]);
    }
    if (!piece.empty()) pen.Draw(piece);
  }
}

// Which of the inner traces are drawn: the long ones rather than the short ones.
std::vector<Trace> Chosen(std::vector<Trace> traces, double dropped, Random& random) {
  traces.resize(std::min(traces.size(), kMostTraces));
  std::vector<std::pair<double, size_t>> merit;
  for (size_t i = 0; i < traces.size(); ++i) {
    if (traces[i].size() < kLeastTrace) break;
    merit.emplace_back(static_cast<double>(traces[i].size()) * random.Uniform(0.4, 1), i);
  }
  std::sort(merit.rbegin(), merit.rend());
  const double kept = 1 - dropped * random.Uniform();
  merit.resize(static_cast<size_t>(std::ceil(kept * static_cast<double>(merit.size()))));
  std::vector<Trace> chosen;
  for (const auto& item : merit) chosen.push_back(std::move(traces[item.second]));
  return chosen;
}

}  // namespace

// The subject of all sketches of a photo, found once.
struct PseudoSketcher::Subject {
  explicit Subject(const Image& photo) : object(FindObject(photo)), inside(object.mask) {
    if (!object.has_ground) return;
    outlines = TraceOutlines(object.mask, kLeastTrace);
    const int side = 2 * kOutlineReach + 1;
    cv::erode(object.mask, inside, cv::getStructuringElement(cv::MORPH_ELLIPSE, {side, side}));
  }

  ShownObject object;
  // The outlines of its parts; there are none where there is no ground.
  std::vector<Trace> outlines;
  // The mask without what is near the outline, where there is one.
  cv::Mat inside;

  void DrawOutlines(double smoothness, Random& random, Pen& pen) const {
    for (const Trace& outline : outlines) {
      DrawOutline(Smoothed(outline, smoothness, /*closed=*/true), random, pen);
    }
  }

  // With `inner` also the edges inside the outline.
  Image Strokes(const PseudoSketchOptions& options, bool inner, Random& random,
                const Distortion& distortion) const {
    Pen pen(random, distortion);
    const double smoothness = random.Uniform(1, 5);
    const double scale = random.Uniform(1, 2.6);
    const double share = random.Uniform(0.15, 0.6);
    DrawOutlines(smoothness, random, pen);
    if (inner || !object.has_ground) {
      cv::Mat edges = Edges(object.picture, scale, share);
      edges.setTo(0, inside == 0);
      for (const Trace& trace : Chosen(TraceEdges(edges), options.dropped, random)) {
        pen.Draw(Smoothed(trace, smoothness, /*closed=*/false));
      }
    }
    return std::move(pen).Take();
  }

  cv::Mat Lines(PseudoStyle style, Random& random) const {
    cv::Mat lines = AllLines(style, random);
    if (!object.has_ground) lines.setTo(255, object.mask == 0);
    return lines;
  }

  cv::Mat AllLines(PseudoStyle style, Random& random) const {
    const double scale = random.Uniform();
    if (style == PseudoStyle::kPencil) return Pencil(object.picture, 2 + 6 * scale);
    if (style == PseudoStyle::kDifferenceOfGaussians) {
      return DifferenceOfGaussians(object.picture, 0.8 + 1.2 * scale);
    }
    cv::Mat edges = 255 - Edges(object.picture, 1 + 2 * scale, random.Uniform(0.1, 0.4));
    // As thick as a pen's lines.
    cv::erode(edges, edges, cv::Mat::ones(2, 2, CV_8U));
    return edges;
  }
};

PseudoSketchOptions PseudoSketchOptions::Of(const v1::TrainingSpec::PseudoSketchSpec& spec) {
  PseudoSketchOptions options;
  if (spec.has_strokes()) options.strokes = spec.strokes();
  if (spec.has_edges()) options.edges = spec.edges();
  if (spec.has_difference_of_gaussians()) {
    options.difference_of_gaussians = spec.difference_of_gaussians();
  }
  if (spec.has_pencil()) options.pencil = spec.pencil();
  if (spec.has_contour()) options.contour = spec.contour();
  if (spec.has_dropped()) options.dropped = spec.dropped();
  if (spec.has_wobble()) options.wobble = spec.wobble();
  return options;
}

PseudoSketcher::PseudoSketcher(const Image& photo, const PseudoSketchOptions& options,
                               uint64_t seed)
    : options_(options), seed_(seed), subject_(std::make_unique<Subject>(photo)) {}

PseudoSketcher::~PseudoSketcher() = default;

PseudoStyle PseudoSketcher::StyleOf(int index) const {
  const auto weights = WeightsOf(options_);
  const double first = Random(SeedOf(seed_, kStyle)).Uniform();
  const double turns = first + kGoldenRatio * index;
  double place = (turns - std::floor(turns)) * std::accumulate(weights.begin(), weights.end(), 0.0);
  int last = 0;
  for (int style = 0; style < kPseudoStyles; ++style) {
    const double weight = weights[static_cast<size_t>(style)];
    if (weight <= 0) continue;
    if (place < weight) return static_cast<PseudoStyle>(style);
    place -= weight;
    last = style;
  }
  // Rounding has left a little.
  return static_cast<PseudoStyle>(last);
}

Image PseudoSketcher::Draw(int index) const {
  const uint64_t seed = SeedOf(seed_, static_cast<uint64_t>(index));
  const Distortion distortion(SeedOf(seed, kDistortion), options_.wobble);
  Random random(SeedOf(seed, kDrawing));
  const PseudoStyle style = StyleOf(index);
  if (style == PseudoStyle::kStrokes || style == PseudoStyle::kContour) {
    return subject_->Strokes(options_, style == PseudoStyle::kStrokes, random, distortion);
  }
  return Distorted(subject_->Lines(style, random), distortion);
}

}  // namespace s2p
