#include "image/ruling.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <opencv2/core.hpp>
#include <vector>

namespace s2p {
namespace {

constexpr size_t kLeastLines = 5, kMostLines = 150;
// Smaller pictures have no ruling.
constexpr int kLeastSide = 64;
// Neighbouring columns among which the beginning and the end of lines are looked for.
constexpr int kColumns = 8;
// Lines are followed between these shares of the width.
constexpr double kFrom = 0.02, kTo = 0.98;
// How much a line may rise or fall over the width, and how much of it ink must cover.
constexpr double kMostSlope = 0.1, kLeastCovered = 0.75;
// No thicker than this share of the height.
constexpr int kThinShare = 80;
// Distances between neighbours differ by up to this share of their median, most of them.
constexpr double kRegular = 0.25, kMostly = 0.7;

// Strokes that cross or follow a line are this much thicker, in pixels, or darker, as a share.
constexpr double kThicker = 2, kDarker = 0.15;

// A line from (from_x, from_y) to (to_x, to_y), in pixels.
struct Line {
  int from_x, to_x;
  double from_y, to_y;

  double At(int x) const {
    return from_y + (to_y - from_y) * (x - from_x) / std::max(1, to_x - from_x);
  }
};

struct Run {
  int begin = 0;
  int end = 0;

  int length() const { return end - begin; }
  double middle() const { return (begin + end - 1) / 2.0; }
};

bool IsInk(const cv::Mat& ink, int x, int y) {
  return y >= 0 && y < ink.rows && x >= 0 && x < ink.cols && ink.at<uint8_t>(y, x) != 0;
}

// The thickest that a line can be.
int Thin(const cv::Mat& ink) { return std::max(3, ink.rows / kThinShare); }

// The ink of a column that is no thicker than a line.
std::vector<Run> RunsAt(const cv::Mat& ink, int x) {
  const int thin = Thin(ink);
  std::vector<Run> runs;
  for (int y = 0; y < ink.rows; ++y) {
    if (!IsInk(ink, x, y)) continue;
    Run run{y, y};
    while (IsInk(ink, x, run.end)) ++run.end;
    y = run.end;
    if (run.length() <= thin) runs.push_back(run);
  }
  return runs;
}

// The column with the most thin runs of the few from `x` on: others may lie in an upright line.
struct Crossed {
  int x = 0;
  std::vector<Run> runs;
};

Crossed MostCrossed(const cv::Mat& ink, int x) {
  Crossed best{x, {}};
  for (int column = x; column < std::min(x + kColumns, ink.cols); ++column) {
    std::vector<Run> runs = RunsAt(ink, column);
    if (runs.size() > best.runs.size()) best = {column, std::move(runs)};
  }
  return best;
}

double Median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

double Covered(const cv::Mat& ink, const Line& line) {
  constexpr int kStep = 4;
  int seen = 0, covered = 0;
  for (int x = line.from_x; x <= line.to_x; x += kStep, ++seen) {
    const int y = static_cast<int>(std::lround(line.At(x)));
    if (IsInk(ink, x, y) || IsInk(ink, x, y - 1) || IsInk(ink, x, y + 1)) ++covered;
  }
  return static_cast<double>(covered) / std::max(1, seen);
}

bool AreRegular(const std::vector<Line>& lines) {
  if (lines.size() < kLeastLines) return false;
  std::vector<double> distances;
  for (size_t i = 1; i < lines.size(); ++i) {
    distances.push_back(lines[i].from_y - lines[i - 1].from_y);
  }
  const double median = Median(distances);
  const auto regular = std::count_if(distances.begin(), distances.end(), [&](double distance) {
    return std::abs(distance - median) <= kRegular * median + 1;
  });
  return static_cast<double>(regular) >= kMostly * static_cast<double>(distances.size());
}

// Lines that run from left to right; none unless they are a ruling.
std::vector<Line> LevelLines(const cv::Mat& ink) {
  if (std::min(ink.cols, ink.rows) < kLeastSide) return {};
  const Crossed left = MostCrossed(ink, static_cast<int>(kFrom * ink.cols));
  const Crossed right = MostCrossed(ink, static_cast<int>(kTo * ink.cols) - kColumns);
  if (std::min(left.runs.size(), right.runs.size()) < kLeastLines) return {};
  if (std::max(left.runs.size(), right.runs.size()) > kMostLines) return {};
  std::vector<Line> lines;
  for (const Run& begin : left.runs) {
    double best = kLeastCovered;
    for (const Run& end : right.runs) {
      if (std::abs(end.middle() - begin.middle()) > kMostSlope * ink.cols) continue;
      const Line line{left.x, right.x, begin.middle(), end.middle()};
      const double covered = Covered(ink, line);
      if (covered < best) continue;
      if (best > kLeastCovered) lines.pop_back();
      best = covered + 1e-9;
      lines.push_back(line);
    }
  }
  return AreRegular(lines) ? lines : std::vector<Line>();
}

// Adds the lines that are missing between and beyond the others, because a stroke hides them or
// they leave the picture.
std::vector<Line> Completed(const std::vector<Line>& lines, int height) {
  std::vector<double> distances;
  for (size_t i = 1; i < lines.size(); ++i) {
    distances.push_back(lines[i].from_y - lines[i - 1].from_y);
  }
  const double every = std::max(2.0, Median(std::move(distances)));
  std::vector<Line> all;
  const auto extrapolate = [&](const Line& last, const Line& before) {
    // Lines that converge do so at the same rate.
    const double step = last.from_y - before.from_y;
    const double turn = (last.to_y - before.to_y) / (step == 0 ? 1 : step);
    const double by = step < 0 ? -every : every;
    Line line = last;
    for (size_t i = 0; i < kMostLines; ++i) {
      line.from_y += by;
      line.to_y += by * turn;
      if (std::min(line.from_y, line.to_y) > height || std::max(line.from_y, line.to_y) < 0) break;
      all.push_back(line);
    }
  };
  extrapolate(lines.front(), lines.back());
  extrapolate(lines.back(), lines.front());
  for (size_t i = 0; i < lines.size(); ++i) {
    all.push_back(lines[i]);
    if (i == 0) continue;
    const Line& before = lines[i - 1];
    const auto steps = std::lround((lines[i].from_y - before.from_y) / every);
    for (long step = 1; step < steps; ++step) {
      const double share = static_cast<double>(step) / static_cast<double>(steps);
      all.push_back({before.from_x, before.to_x,
                     before.from_y + share * (lines[i].from_y - before.from_y),
                     before.to_y + share * (lines[i].to_y - before.to_y)});
    }
  }
  return all;
}

// The ink of a column at or next to a pixel; empty if there is none, or if it is so thick that it
// is no line, not even with a stroke along it.
Run RunAt(const cv::Mat& ink, int x, int y) {
  const int thickest = Thin(ink) + static_cast<int>(kThicker);
  for (const int near : {y, y - 1, y + 1, y - 2, y + 2}) {
    if (!IsInk(ink, x, near)) continue;
    Run run{near, near};
    while (run.length() <= thickest && IsInk(ink, x, run.begin - 1)) --run.begin;
    while (run.length() <= thickest && IsInk(ink, x, run.end)) ++run.end;
    return run.length() <= thickest ? run : Run();
  }
  return {};
}

int DarkestOf(const cv::Mat& luma, int x, const Run& run) {
  int darkest = 255;
  for (int y = run.begin; y < run.end; ++y) {
    darkest = std::min<int>(darkest, luma.at<uint8_t>(y, x));
  }
  return darkest;
}

// How thick and how light printed lines are in a column.
struct Print {
  double thick = 0;
  double luma = 0;
};

Print PrintOf(const std::vector<Line>& lines, const cv::Mat& ink, const cv::Mat& luma) {
  constexpr int kStep = 8;
  std::vector<double> thick, darkest;
  for (const Line& line : lines) {
    for (int x = line.from_x; x <= line.to_x; x += kStep) {
      const Run run = RunAt(ink, x, static_cast<int>(std::lround(line.At(x))));
      if (run.length() == 0) continue;
      thick.push_back(run.length());
      darkest.push_back(DarkestOf(luma, x, run));
    }
  }
  if (thick.empty()) return {};
  return {Median(std::move(thick)), Median(std::move(darkest))};
}

// Takes the level lines out of `ink`; returns what it took, or nothing.
cv::Mat TakeLevelLines(cv::Mat& ink, const cv::Mat& luma) {
  const std::vector<Line> lines = LevelLines(ink);
  if (lines.empty()) return {};
  const Print print = PrintOf(lines, ink, luma);
  cv::Mat printed = cv::Mat::zeros(ink.size(), CV_8U);
  for (const Line& line : Completed(lines, ink.rows)) {
    for (int x = 0; x < ink.cols; ++x) {
      const Run run = RunAt(ink, x, static_cast<int>(std::lround(line.At(x))));
      if (run.length() > print.thick + kThicker) continue;
      if (DarkestOf(luma, x, run) < print.luma * (1 - kDarker)) continue;
      for (int y = run.begin; y < run.end; ++y) printed.at<uint8_t>(y, x) = 255;
    }
  }
  ink.setTo(0, printed);
  return printed;
}

}  // namespace

cv::Mat FindRuling(const cv::Mat& ink, const cv::Mat& luma) {
  cv::Mat left = ink.clone();
  const cv::Mat level = TakeLevelLines(left, luma);
  cv::Mat turned = left.t();
  cv::Mat upright = TakeLevelLines(turned, luma.t());
  if (!upright.empty()) upright = upright.t();
  if (level.empty()) return upright;
  return upright.empty() ? level : cv::Mat(level | upright);
}

}  // namespace s2p
