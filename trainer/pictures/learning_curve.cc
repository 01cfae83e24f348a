#include "trainer/pictures/learning_curve.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "trainer/pictures/chart_axis.h"

namespace s2p {
namespace {

constexpr Color kInk = {40, 40, 40};
constexpr Color kGreyInk = {110, 110, 110};
constexpr Color kGrid = {228, 228, 228};
constexpr Color kBorder = {150, 150, 150};
constexpr Color kRateColor = {90, 90, 90};

// Heights of capital letters, pixels.
constexpr double kTitleSize = 14;
constexpr double kLabelSize = 10;
constexpr double kTickSize = 9;

constexpr double kLineThickness = 2;
constexpr double kLegendX = kLossPanel.x + kLossPanel.width + 20;
constexpr double kLegendRight = kLearningCurveWidth - 16;
constexpr double kLegendLine = 22;
// Up to this many epochs, each has a dot.
constexpr int kMostDots = 40;
// Losses that are smaller by more than this lie on the lower end of a logarithmic axis.
constexpr double kMostLogRange = 1e6;
constexpr double kLogFromRange = 100;

struct NamedColor {
  const char* name;
  Color color;
};
// Told apart with any colour vision (after Okabe and Ito), and the sum in black.
constexpr NamedColor kLossColors[] = {
    {"total", {0, 0, 0}},
    {"identity", {0, 114, 178}},
    {"triplet", {213, 94, 0}},
    {"attribute", {0, 158, 115}},
    {"attribute_entropy", {86, 180, 233}},
    {"consistency", {204, 121, 167}},
    {"domain", {230, 159, 0}},
    {"contrastive", {140, 86, 75}},
};
constexpr Color kOtherColor = {120, 94, 240};

// Places the epochs of both steps side by side.
class EpochScale {
 public:
  explicit EpochScale(const std::vector<EpochPoint>& points) {
    for (const EpochPoint& point : points) {
      int& epochs = point.ihda_step == 1 ? first_epochs_ : second_epochs_;
      epochs = std::max(epochs, point.epoch);
    }
  }
  int first_epochs() const { return first_epochs_; }
  int second_epochs() const { return second_epochs_; }
  int epochs() const { return first_epochs_ + second_epochs_; }
  double X(int ihda_step, int epoch) const {
    const int before = ihda_step == 1 ? 0 : first_epochs_;
    return kLossPanel.x + (before + epoch - 0.5) * kLossPanel.width / std::max(1, epochs());
  }
  double X(const EpochPoint& point) const { return X(point.ihda_step, point.epoch); }
  // Between the two steps.
  double RuleX() const {
    return kLossPanel.x + first_epochs_ * kLossPanel.width / std::max(1, epochs());
  }

 private:
  int first_epochs_ = 0;
  int second_epochs_ = 0;
};

using ValueOf = std::function<double(const EpochPoint&)>;

double LossOf(const EpochPoint& point, const std::string& term) {
  for (const auto& [name, value] : point.losses) {
    if (name == term) return value;
  }
  return std::numeric_limits<double>::quiet_NaN();
}

std::vector<std::string> LossNames(const std::vector<EpochPoint>& points) {
  std::vector<std::string> names;
  for (const EpochPoint& point : points) {
    for (const auto& [name, value] : point.losses) {
      if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
    }
  }
  // Drawn last, so that nothing hides it.
  std::stable_partition(names.begin(), names.end(),
                        [](const std::string& name) { return name != "total"; });
  return names;
}

// Range of the finite losses.
struct LossRange {
  double lowest = std::numeric_limits<double>::infinity();
  double lowest_positive = std::numeric_limits<double>::infinity();
  double highest = -std::numeric_limits<double>::infinity();
  bool empty() const { return highest < lowest; }
};

LossRange RangeOf(const std::vector<EpochPoint>& points) {
  LossRange range;
  for (const EpochPoint& point : points) {
    for (const auto& [name, value] : point.losses) {
      if (!std::isfinite(value)) continue;
      range.lowest = std::min(range.lowest, value);
      if (value > 0) range.lowest_positive = std::min(range.lowest_positive, value);
      range.highest = std::max(range.highest, value);
    }
  }
  return range;
}

bool IsLogarithmic(const LossRange& range) {
  return !range.empty() && range.lowest >= 0 &&
         range.highest > kLogFromRange * range.lowest_positive;
}

ChartAxis LossAxis(const LossRange& range) {
  if (range.empty()) return ChartAxis::Linear(0, 1);
  if (!IsLogarithmic(range)) return ChartAxis::Linear(range.lowest, range.highest);
  return ChartAxis::Logarithmic(std::max(range.lowest_positive, range.highest / kMostLogRange),
                                range.highest);
}

// "0.0042", "3.2", "1.3e-07": as short as is precise enough.
std::string ShortNumber(double value) { return absl::StrFormat("%.3g", value); }

class CurveDrawing {
 public:
  CurveDrawing(const std::vector<EpochPoint>& points, Canvas& canvas)
      : points_(points), scale_(points), canvas_(canvas) {}

  void DrawAll(const std::string& title) {
    DrawTitle(title);
    const LossRange range = RangeOf(points_);
    const ChartAxis losses = LossAxis(range);
    const ChartAxis accuracy = AccuracyAxis();
    const ChartAxis rate = ChartAxis::Linear(0, HighestRate());
    DrawPanel(kLossPanel, losses, IsLogarithmic(range) ? "loss (log scale)" : "loss (linear)");
    DrawPanel(kAccuracyPanel, accuracy, "rank-1, mAP (%)");
    DrawPanel(kRatePanel, rate, "rate", /*only_ends=*/true);
    DrawEpochLabels();
    if (points_.empty()) {
      canvas_.DrawText("no epoch yet", Middle(kLossPanel), 20, kGreyInk, TextAlign::kCenter);
      return;
    }
    DrawRule();
    DrawLosses(losses, range);
    DrawAccuracy(accuracy);
    DrawLine(
        kRatePanel, rate, [](const EpochPoint& point) { return point.learning_rate; }, kRateColor);
    DrawLegendEntry(kRatePanel.y + 16, kRateColor, "learning rate",
                    ShortNumber(points_.back().learning_rate));
  }

 private:
  static CanvasPoint Middle(const CanvasBox& box) {
    return {box.x + box.width / 2, box.y + box.height / 2};
  }
  static double Y(const CanvasBox& box, const ChartAxis& axis, double value) {
    return box.y + box.height * (1 - axis.PositionOf(value));
  }

  double HighestRate() const {
    double highest = 0;
    for (const EpochPoint& point : points_) {
      if (std::isfinite(point.learning_rate)) highest = std::max(highest, point.learning_rate);
    }
    return highest > 0 ? highest : 1;
  }

  ChartAxis AccuracyAxis() const {
    double highest = 0;
    for (const EpochPoint& point : points_) {
      highest = std::max(
          {highest, 100 * point.rank1.value_or(0), 100 * point.mean_average_precision.value_or(0)});
    }
    return ChartAxis::Linear(
        0, highest > 0 && std::isfinite(highest) ? std::min(highest, 100.0) : 100.0);
  }

  void DrawTitle(const std::string& title) {
    const double width = kLearningCurveWidth - kLossPanel.x - 24;
    canvas_.DrawText(
        Canvas::CutToWidth(title.empty() ? "learning curve" : title, kTitleSize, width),
        {kLossPanel.x, 34}, kTitleSize, kInk);
  }

  // `only_ends`: for a low panel.
  void DrawPanel(const CanvasBox& box, const ChartAxis& axis, const std::string& label,
                 bool only_ends = false) {
    const std::vector<ChartTick>& ticks = axis.ticks();
    for (size_t i = 0; i < ticks.size(); ++i) {
      if (only_ends && i != 0 && i + 1 != ticks.size()) continue;
      const double y = Y(box, axis, ticks[i].value);
      canvas_.DrawLine({box.x, y}, {box.x + box.width, y}, 1, kGrid);
      canvas_.DrawText(ticks[i].label, {box.x - 8, y + kTickSize / 2}, kTickSize, kInk,
                       TextAlign::kRight);
    }
    canvas_.FrameBox(box, 1, kBorder);
    canvas_.DrawTextUpwards(label, {box.x - 73, Middle(box).y}, kLabelSize, kInk);
  }

  // Below the lowest panel, with a line through all of them.
  void DrawEpochLabels() {
    const int every =
        std::max(1, static_cast<int>(RoundUp125(std::max(1, scale_.epochs()) / 14.0)));
    const double bottom = kRatePanel.y + kRatePanel.height;
    for (const int step : {1, 2}) {
      const int epochs = step == 1 ? scale_.first_epochs() : scale_.second_epochs();
      for (int epoch = every; epoch <= epochs; epoch += every) {
        const double x = scale_.X(step, epoch);
        for (const CanvasBox& box : {kLossPanel, kAccuracyPanel, kRatePanel}) {
          canvas_.DrawLine({x, box.y}, {x, box.y + box.height}, 1, kGrid);
        }
        canvas_.DrawText(absl::StrCat(epoch), {x, bottom + 20}, kTickSize, kInk,
                         TextAlign::kCenter);
      }
    }
    const bool both = scale_.first_epochs() > 0 && scale_.second_epochs() > 0;
    const char* label = both                        ? "epoch (of its step)"
                        : scale_.first_epochs() > 0 ? "epoch of step 1"
                        : scale_.epochs() > 0       ? "epoch of step 2"
                                                    : "epoch";
    canvas_.DrawText(label, {Middle(kRatePanel).x, bottom + 48}, kLabelSize, kInk,
                     TextAlign::kCenter);
  }

  void DrawRule() {
    if (scale_.first_epochs() == 0 || scale_.second_epochs() == 0) return;
    const double x = scale_.RuleX();
    canvas_.DrawDashes({x, kLossPanel.y - 12}, {x, kRatePanel.y + kRatePanel.height}, 1.5,
                       kGreyInk);
    constexpr double kGap = 8;
    const double y = kLossPanel.y - 6;
    if (x - kLossPanel.x > Canvas::TextWidth("step 1", kLabelSize) + kGap) {
      canvas_.DrawText("step 1", {x - kGap, y}, kLabelSize, kGreyInk, TextAlign::kRight);
    }
    canvas_.DrawText("step 2", {x + kGap, y}, kLabelSize, kGreyInk);
  }

  // A gap where the value is not finite, and between the steps, which are different networks' work.
  void DrawLine(const CanvasBox& box, const ChartAxis& axis, const ValueOf& value_of, Color color) {
    std::vector<CanvasPoint> path;
    int step = 0;
    const auto end_path = [&] {
      if (path.size() > 1) canvas_.DrawPath(path, kLineThickness, color);
      if (path.size() == 1 || scale_.epochs() <= kMostDots) {
        for (const CanvasPoint& at : path) canvas_.DrawDot(at, 3, color);
      }
      path.clear();
    };
    for (const EpochPoint& point : points_) {
      const double value = value_of(point);
      if (point.ihda_step != step || !std::isfinite(value)) end_path();
      step = point.ihda_step;
      if (std::isfinite(value)) path.push_back({scale_.X(point), Y(box, axis, value)});
    }
    end_path();
  }

  void DrawLegendEntry(double y, Color color, const std::string& name, const std::string& value) {
    canvas_.DrawLine({kLegendX, y - kTickSize / 2}, {kLegendX + 22, y - kTickSize / 2}, 3, color);
    const double value_width = Canvas::TextWidth(value, kTickSize);
    const double x = kLegendX + 30;
    canvas_.DrawText(Canvas::CutToWidth(name, kTickSize, kLegendRight - value_width - 8 - x),
                     {x, y}, kTickSize, kInk);
    canvas_.DrawText(value, {kLegendRight, y}, kTickSize, kGreyInk, TextAlign::kRight);
  }

  void DrawLosses(const ChartAxis& axis, const LossRange& range) {
    if (range.empty()) {
      canvas_.DrawText("no finite loss", Middle(kLossPanel), 14, kGreyInk, TextAlign::kCenter);
    }
    double y = kLossPanel.y + 12;
    canvas_.DrawText("last epoch", {kLegendRight, y}, kTickSize, kGreyInk, TextAlign::kRight);
    std::vector<std::string> names = LossNames(points_);
    for (const std::string& name : names) {
      DrawLine(
          kLossPanel, axis, [&](const EpochPoint& p) { return LossOf(p, name); }, LossColor(name));
    }
    // The sum leads the legend.
    std::rotate(names.begin(), names.end() - (!names.empty() && names.back() == "total" ? 1 : 0),
                names.end());
    const auto lines = static_cast<size_t>((kLossPanel.height - 12) / kLegendLine);
    for (size_t i = 0; i < std::min(names.size(), lines); ++i) {
      y += kLegendLine;
      DrawLegendEntry(y, LossColor(names[i]), names[i], LastOf(names[i]));
    }
  }

  // Values of the last epoch: "-" for a term that it does not have.
  std::string LastOf(const std::string& term) const {
    for (const auto& [name, value] : points_.back().losses) {
      if (name == term) return ShortNumber(value);
    }
    return "-";
  }

  void DrawAccuracy(const ChartAxis& axis) {
    struct Metric {
      const char* name;
      Color color;
      std::optional<double> EpochPoint::*field;
    };
    double y = kAccuracyPanel.y + 12;
    for (const Metric& metric : {Metric{"rank-1", kRank1Color, &EpochPoint::rank1},
                                 Metric{"mAP", kMapColor, &EpochPoint::mean_average_precision}}) {
      const ValueOf percent = [&](const EpochPoint& point) {
        return 100 * (point.*metric.field).value_or(std::numeric_limits<double>::quiet_NaN());
      };
      DrawLine(kAccuracyPanel, axis, percent, metric.color);
      const EpochPoint* best = nullptr;
      for (const EpochPoint& point : points_) {
        if (!std::isfinite(percent(point))) continue;
        if (best == nullptr || percent(point) > percent(*best)) best = &point;
      }
      const double last = percent(points_.back());
      DrawLegendEntry(y, metric.color, metric.name,
                      std::isfinite(last) ? absl::StrFormat("%.1f %%", last) : "not yet");
      y += kLegendLine;
      if (best == nullptr) continue;
      canvas_.DrawText(absl::StrFormat("best %.1f %%, epoch %d", percent(*best), best->epoch),
                       {kLegendRight, y}, kTickSize, kGreyInk, TextAlign::kRight);
      y += kLegendLine + 6;
    }
  }

  const std::vector<EpochPoint>& points_;
  const EpochScale scale_;
  Canvas& canvas_;
};

}  // namespace

Color LossColor(const std::string& term) {
  for (const NamedColor& known : kLossColors) {
    if (term == known.name) return known.color;
  }
  return kOtherColor;
}

bool UsesLogScale(const std::vector<EpochPoint>& points) { return IsLogarithmic(RangeOf(points)); }

absl::StatusOr<Image> DrawLearningCurve(const std::vector<EpochPoint>& points,
                                        const std::string& title) {
  S2P_ASSIGN_OR_RETURN(auto canvas, Canvas::Create(kLearningCurveWidth, kLearningCurveHeight));
  CurveDrawing(points, canvas).DrawAll(title);
  return canvas.Finish();
}

absl::Status WriteLearningCurve(const std::vector<EpochPoint>& points, const std::string& title,
                                const std::string& path) {
  S2P_ASSIGN_OR_RETURN(const auto picture, DrawLearningCurve(points, title));
  return WritePicture(picture, path);
}

}  // namespace s2p
