#include "trainer/pseudo/edge_strokes.h"

#include <algorithm>
#include <cmath>
#include <opencv2/imgproc.hpp>

namespace s2p {
namespace {

// A direction is that of the last few points.
constexpr size_t kLookBack = 5;

// Takes pixels out of an edge map, a line at a time.
class EdgeFollower {
 public:
  explicit EdgeFollower(const cv::Mat& edges) : left_(edges.clone()) {}

  // The line through an edge pixel, in both directions; empty if there is no edge.
  Trace Take(int x, int y) {
    if (left_.at<uint8_t>(y, x) == 0) return {};
    left_.at<uint8_t>(y, x) = 0;
    Trace trace{{static_cast<double>(x), static_cast<double>(y)}};
    Extend(trace);
    std::reverse(trace.begin(), trace.end());
    Extend(trace);
    return trace;
  }

 private:
  void Extend(Trace& trace) {
    while (true) {
      const auto last = trace.back();
      const auto& before = trace[trace.size() - std::min(trace.size(), kLookBack)];
      const double along_x = last[0] - before[0], along_y = last[1] - before[1];
      int best_x = 0, best_y = 0;
      double straightest = -1e9;
      for (int dy = -1; dy <= 1; ++dy) {
        for (int dx = -1; dx <= 1; ++dx) {
          if (!IsLeft(static_cast<int>(last[0]) + dx, static_cast<int>(last[1]) + dy)) continue;
          const double length = std::hypot(dx, dy);
          // The nearer one wins where two are equally straight.
          const double straight = (dx * along_x + dy * along_y) / length - 1e-3 * length;
          if (straight <= straightest) continue;
          straightest = straight;
          best_x = dx;
          best_y = dy;
        }
      }
      if (best_x == 0 && best_y == 0) return;
      const double x = last[0] + best_x, y = last[1] + best_y;
      left_.at<uint8_t>(static_cast<int>(y), static_cast<int>(x)) = 0;
      trace.push_back({x, y});
    }
  }
  bool IsLeft(int x, int y) const {
    return x >= 0 && y >= 0 && x < left_.cols && y < left_.rows && left_.at<uint8_t>(y, x) != 0;
  }

  cv::Mat left_;
};

void LongestFirst(std::vector<Trace>& traces) {
  std::stable_sort(traces.begin(), traces.end(),
                   [](const Trace& a, const Trace& b) { return a.size() > b.size(); });
}

}  // namespace

std::vector<Trace> TraceEdges(const cv::Mat& edges) {
  EdgeFollower follower(edges);
  std::vector<Trace> traces;
  for (int y = 0; y < edges.rows; ++y) {
    for (int x = 0; x < edges.cols; ++x) {
      Trace trace = follower.Take(x, y);
      if (!trace.empty()) traces.push_back(std::move(trace));
    }
  }
  LongestFirst(traces);
  return traces;
}

std::vector<Trace> TraceOutlines(const cv::Mat& mask, size_t least) {
  std::vector<std::vector<cv::Point>> contours;
  cv::findContours(mask, contours, cv::RETR_EXTERNAL, cv::CHAIN_APPROX_NONE);
  std::vector<Trace> traces;
  for (const auto& contour : contours) {
    if (contour.size() < least) continue;
    Trace trace;
    for (const cv::Point& point : contour) {
      trace.push_back({static_cast<double>(point.x), static_cast<double>(point.y)});
    }
    traces.push_back(std::move(trace));
  }
  LongestFirst(traces);
  return traces;
}

Trace Smoothed(const Trace& trace, double deviation, bool closed) {
  const auto count = static_cast<int>(trace.size());
  if (deviation <= 0 || count < 3) return trace;
  const auto reach = static_cast<int>(std::ceil(3 * deviation));
  Trace smooth(trace.size());
  for (int i = 0; i < count; ++i) {
    // An open end draws its neighbours together evenly, so that it stays.
    const int room = closed ? reach : std::min({reach, i, count - 1 - i});
    double sum = 0;
    auto& point = smooth[static_cast<size_t>(i)];
    for (int d = -room; d <= room; ++d) {
      const double weight = std::exp(-0.5 * d * d / (deviation * deviation));
      const auto& other = trace[static_cast<size_t>(((i + d) % count + count) % count)];
      point[0] += weight * other[0];
      point[1] += weight * other[1];
      sum += weight;
    }
    point[0] /= sum;
    point[1] /= sum;
  }
  return smooth;
}

}  // namespace s2p
