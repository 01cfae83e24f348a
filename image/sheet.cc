#include "image/sheet.h"

#include <algorithm>
#include <cmath>
#include <opencv2/imgproc.hpp>
#include <vector>

#include "image/illumination.h"

namespace s2p {
namespace {

using Polygon = std::vector<cv::Point>;

// Sheets are looked for on a copy of at most this longer side.
constexpr int kSoughtPixels = 256;
// Brightnesses, between the darkest and the lightest, that are tried as the limit of the sheet.
constexpr int kLimits = 8;
// Ink of up to this thickness, in pixels of the copy, does not divide a sheet.
constexpr int kInkPixels = 9;
constexpr double kLeastShare = 0.25, kMostShare = 0.95;
// A sheet is nearly all of its convex hull, and that nearly all of its quadrilateral.
constexpr double kLeastSolid = 0.93, kLeastSquare = 0.95;
// The table, this many pixels outside an edge, is darker by at least this share.
constexpr double kBesideEdge = 4, kEdgeShare = 0.2;
// This share of the sheet is cut off on each side.
constexpr double kInset = 0.02;

// The largest connected part of a mask, as its outline.
Polygon LargestPart(const cv::Mat& mask) {
  std::vector<Polygon> parts;
  cv::findContours(mask, parts, cv::RETR_EXTERNAL, cv::CHAIN_APPROX_SIMPLE);
  const auto largest = std::max_element(
      parts.begin(), parts.end(),
      [](const Polygon& a, const Polygon& b) { return cv::contourArea(a) < cv::contourArea(b); });
  return largest == parts.end() ? Polygon() : *largest;
}

// The four corners of something that is nearly a quadrilateral, else nothing.
Polygon QuadrilateralOf(const Polygon& outline, double picture) {
  if (outline.size() < 4) return {};
  Polygon hull, corners;
  cv::convexHull(outline, hull);
  const double area = cv::contourArea(hull);
  if (area < kLeastShare * picture || area > kMostShare * picture) return {};
  if (cv::contourArea(outline) < kLeastSolid * area) return {};
  for (const double coarse : {0.01, 0.02, 0.03, 0.04}) {
    cv::approxPolyDP(hull, corners, coarse * cv::arcLength(hull, true), true);
    if (corners.size() == 4) {
      const double share = cv::contourArea(corners) / area;
      return share >= kLeastSquare && share <= 1 / kLeastSquare ? corners : Polygon();
    }
  }
  return {};
}

bool IsOnBorder(const cv::Point& a, const cv::Point& b, const cv::Size& size) {
  constexpr int kNear = 3;
  const auto both = [&](auto near) { return near(a) && near(b); };
  return both([](const cv::Point& p) { return p.x < kNear; }) ||
         both([](const cv::Point& p) { return p.y < kNear; }) ||
         both([&](const cv::Point& p) { return p.x >= size.width - kNear; }) ||
         both([&](const cv::Point& p) { return p.y >= size.height - kNear; });
}

// True if the picture is clearly darker on the outer side of the line from `a` to `b`, nearly
// everywhere. The corners turn clockwise, so that the outside is on the left.
bool IsEdge(const cv::Mat& luma, const cv::Point2d& a, const cv::Point2d& b) {
  const cv::Point2d along = b - a;
  const double length = std::max(1.0, cv::norm(along));
  const cv::Point2d out(along.y / length * kBesideEdge, -along.x / length * kBesideEdge);
  const cv::Rect picture(0, 0, luma.cols, luma.rows);
  int sharp = 0, seen = 0;
  for (double at = 0.1; at < 0.9; at += 0.05) {
    const cv::Point2d here = a + along * at;
    const cv::Point inner(here - out), outer(here + out);
    if (!picture.contains(inner) || !picture.contains(outer)) continue;
    ++seen;
    if (luma.at<uint8_t>(outer) < (1 - kEdgeShare) * luma.at<uint8_t>(inner)) ++sharp;
  }
  return seen > 0 && sharp >= 0.8 * seen;
}

bool HasEdges(const cv::Mat& luma, const Polygon& corners) {
  int on_border = 0;
  for (size_t i = 0; i < corners.size(); ++i) {
    const cv::Point &a = corners[i], &b = corners[(i + 1) % corners.size()];
    if (IsOnBorder(a, b, luma.size())) {
      ++on_border;
    } else if (!IsEdge(luma, a, b)) {
      return false;
    }
  }
  return on_border <= 1;
}

// Clockwise, the one nearest to the top left first.
Polygon Ordered(Polygon corners) {
  if (cv::contourArea(corners, true) < 0) std::reverse(corners.begin(), corners.end());
  const auto first = std::min_element(
      corners.begin(), corners.end(),
      [](const cv::Point& a, const cv::Point& b) { return a.x + a.y < b.x + b.y; });
  std::rotate(corners.begin(), first, corners.end());
  return corners;
}

}  // namespace

std::optional<SheetCorners> FindSheet(const cv::Mat& luma) {
  cv::Mat reduced;
  cv::GaussianBlur(Shrunk(luma, kSoughtPixels), reduced, {5, 5}, 0);
  double darkest = 0, lightest = 0;
  cv::minMaxLoc(reduced, &darkest, &lightest);
  const cv::Mat ink = cv::getStructuringElement(cv::MORPH_RECT, {kInkPixels, kInkPixels});
  Polygon sheet;
  for (int i = 1; i < kLimits; ++i) {
    cv::Mat mask = reduced >= darkest + (lightest - darkest) * i / kLimits;
    cv::morphologyEx(mask, mask, cv::MORPH_CLOSE, ink);
    Polygon corners = QuadrilateralOf(LargestPart(mask), static_cast<double>(reduced.total()));
    if (corners.empty()) continue;
    corners = Ordered(corners);
    if (!HasEdges(reduced, corners)) continue;
    if (sheet.empty() || cv::contourArea(corners) > cv::contourArea(sheet)) sheet = corners;
  }
  if (sheet.empty()) return std::nullopt;
  SheetCorners shares;
  for (size_t i = 0; i < shares.size(); ++i) {
    shares[i] = {(static_cast<float>(sheet[i].x) + 0.5F) / static_cast<float>(reduced.cols),
                 (static_cast<float>(sheet[i].y) + 0.5F) / static_cast<float>(reduced.rows)};
  }
  return shares;
}

cv::Size FlatSize(const cv::Size& picture, const SheetCorners& corners) {
  const auto side = [&](int a, int b) {
    const cv::Point2f along = corners[a] - corners[b];
    return std::hypot(along.x * static_cast<float>(picture.width),
                      along.y * static_cast<float>(picture.height));
  };
  return {std::max(1, static_cast<int>((side(0, 1) + side(3, 2)) / 2)),
          std::max(1, static_cast<int>((side(0, 3) + side(1, 2)) / 2))};
}

cv::Mat Flattened(const cv::Mat& picture, const SheetCorners& corners, const cv::Rect2d& part,
                  const cv::Size& size) {
  // The whole sheet is larger than what is kept by the inset on each side.
  const cv::Point2d whole[] = {
      {-kInset, -kInset}, {1 + kInset, -kInset}, {1 + kInset, 1 + kInset}, {-kInset, 1 + kInset}};
  SheetCorners from = corners, to;
  for (size_t i = 0; i < corners.size(); ++i) {
    from[i].x *= static_cast<float>(picture.cols);
    from[i].y *= static_cast<float>(picture.rows);
    to[i] = {static_cast<float>((whole[i].x - part.x) / part.width * size.width),
             static_cast<float>((whole[i].y - part.y) / part.height * size.height)};
  }
  cv::Mat flat;
  cv::warpPerspective(picture, flat, cv::getPerspectiveTransform(from.data(), to.data()), size,
                      cv::INTER_LINEAR, cv::BORDER_REPLICATE);
  return flat;
}

}  // namespace s2p
