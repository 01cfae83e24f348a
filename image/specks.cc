#include "image/specks.h"

#include <algorithm>
#include <cstdint>
#include <opencv2/imgproc.hpp>
#include <vector>

namespace s2p {
namespace {

// Shares of the picture's longer side: specks are shorter than the first, dust than the second.
constexpr int kSpeckShare = 36, kDustShare = 128;
// Specks and dust that are nearer to a stroke than these shares may be pieces of it. JPEG leaves
// errors farther from strokes than a pen does.
constexpr int kNearSpeckShare = 128, kNearDustShare = 64;
// Specks that are farther outside the drawing than this share make the paper dirty.
constexpr int kOutsideShare = 64;
// Dirt is up to this much longer than the longest speck outside the drawing.
constexpr double kAlike = 1.5;
// Remains of shadows at the border are shorter than this share.
constexpr int kRemnantShare = 8;

enum class Kind { kStroke, kSpeck, kDirt };

// Connected ink.
struct Part {
  cv::Rect box;
  Kind kind = Kind::kStroke;

  int longer() const { return std::max(box.width, box.height); }
};

class Parts {
 public:
  explicit Parts(const cv::Mat& ink) : picture_({}, ink.size()) {
    cv::Mat statistics, centres;
    const int count = cv::connectedComponentsWithStats(ink, numbers_, statistics, centres, 8);
    // The first is the ground.
    for (int i = 1; i < count; ++i) {
      const int* at = statistics.ptr<int>(i);
      parts_.push_back({{at[cv::CC_STAT_LEFT], at[cv::CC_STAT_TOP], at[cv::CC_STAT_WIDTH],
                         at[cv::CC_STAT_HEIGHT]}});
    }
  }

  // Tells strokes, specks and, on a ground that is not white, what is dirt in any case.
  void Sort(bool on_white) {
    for (Part& part : parts_) {
      if (part.longer() < ShareOf(kSpeckShare)) part.kind = Kind::kSpeck;
      const bool is_remnant = part.longer() < ShareOf(kRemnantShare) && TouchesBorder(part.box);
      if (!on_white && (is_remnant || IsDust(part))) part.kind = Kind::kDirt;
    }
  }

  // Tells which specks are dirt.
  void FindDirt() {
    if (!Has(Kind::kSpeck) || !Has(Kind::kStroke)) return;
    const cv::Mat strokes = Only(Kind::kStroke);
    const double longest = kAlike * LongestOutside(strokes);
    for (Part& part : parts_) {
      if (part.kind != Kind::kSpeck) continue;
      const bool is_dust = IsDust(part) && !IsNear(part, strokes, ShareOf(kNearDustShare));
      const bool is_alike =
          part.longer() <= longest && !IsNear(part, strokes, ShareOf(kNearSpeckShare));
      if (is_dust || is_alike) part.kind = Kind::kDirt;
    }
  }

  DrawnInk Drawn() const {
    DrawnInk drawn;
    const Kind kind = Has(Kind::kStroke) ? Kind::kStroke : Kind::kSpeck;
    for (const Part& part : parts_) {
      if (part.kind == kind) drawn.box |= part.box;
    }
    if (Has(Kind::kDirt)) drawn.dirt = Only(Kind::kDirt);
    return drawn;
  }

 private:
  int ShareOf(int share) const { return std::max(picture_.width, picture_.height) / share; }

  bool IsDust(const Part& part) const { return part.longer() < ShareOf(kDustShare); }

  bool TouchesBorder(const cv::Rect& box) const {
    return box.x == 0 || box.y == 0 || box.br().x == picture_.width ||
           box.br().y == picture_.height;
  }

  bool IsNear(const Part& part, const cv::Mat& strokes, int pixels) const {
    const cv::Rect around(part.box.x - pixels, part.box.y - pixels, part.box.width + 2 * pixels,
                          part.box.height + 2 * pixels);
    return cv::countNonZero(strokes(around & picture_)) > 0;
  }

  // The length of the longest speck outside the drawing, or 0.
  int LongestOutside(const cv::Mat& strokes) const {
    std::vector<cv::Point> ink, hull;
    cv::findNonZero(strokes, ink);
    cv::convexHull(ink, hull);
    int longest = 0;
    for (const Part& part : parts_) {
      if (part.kind != Kind::kSpeck || part.longer() <= longest) continue;
      const cv::Point2f middle = (cv::Point2f(part.box.tl()) + cv::Point2f(part.box.br())) / 2;
      if (cv::pointPolygonTest(hull, middle, true) < -ShareOf(kOutsideShare)) {
        longest = part.longer();
      }
    }
    return longest;
  }

  bool Has(Kind kind) const {
    return std::any_of(parts_.begin(), parts_.end(),
                       [&](const Part& part) { return part.kind == kind; });
  }

  // 255 where ink is of a kind.
  cv::Mat Only(Kind kind) const {
    std::vector<uint8_t> value = {0};
    for (const Part& part : parts_) value.push_back(part.kind == kind ? 255 : 0);
    cv::Mat only(picture_.size(), CV_8U);
    for (int y = 0; y < only.rows; ++y) {
      const int* number = numbers_.ptr<int>(y);
      uint8_t* row = only.ptr(y);
      for (int x = 0; x < only.cols; ++x) row[x] = value[number[x]];
    }
    return only;
  }

  cv::Rect picture_;
  cv::Mat numbers_;
  std::vector<Part> parts_;
};

}  // namespace

DrawnInk FindDrawn(const cv::Mat& ink, bool on_white) {
  Parts parts(ink);
  parts.Sort(on_white);
  parts.FindDirt();
  return parts.Drawn();
}

}  // namespace s2p
