#include "trainer/pictures/ranking_picture.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/status_macros.h"

namespace s2p {
namespace {

constexpr Color kInk = {40, 40, 40};
constexpr Color kGreyInk = {120, 120, 120};
constexpr Color kMissedInk = {190, 40, 40};

// Pixels.
constexpr double kMargin = 16;
constexpr double kCellWidth = 104;
constexpr double kGap = 12;
// Room for the rank at the left.
constexpr double kRankWidth = 64;
// Between the query and its matches.
constexpr double kQueryGap = 30;
constexpr double kCaptionHeight = 22;
constexpr double kRowGap = 14;
constexpr double kHeaderHeight = 74;
constexpr double kEmptyHeight = 80;
constexpr double kHitFrame = 4;

constexpr double kTitleSize = 13;
constexpr double kLabelSize = 9;
constexpr double kCaptionSize = 8;
constexpr double kRankSize = 14;

constexpr int kMostRows = 100;
// Height of a cell over its width: persons are tall, shoes are not.
constexpr double kFlattestCell = 0.6;
constexpr double kTallestCell = 2.2;

// The cells have the shape of the images in the middle, by shape.
double CellHeight(const std::vector<RankedQuery>& queries) {
  std::vector<double> shapes;
  const auto add = [&](const Image& image) {
    if (!image.empty()) shapes.push_back(1.0 * image.height() / image.width());
  };
  for (const RankedQuery& query : queries) {
    add(query.query);
    for (const Image& image : query.top) add(image);
  }
  if (shapes.empty()) return kCellWidth;
  const auto middle = shapes.begin() + static_cast<std::ptrdiff_t>(shapes.size() / 2);
  std::nth_element(shapes.begin(), middle, shapes.end());
  return kCellWidth * std::clamp(*middle, kFlattestCell, kTallestCell);
}

double QueryX() { return kMargin + kRankWidth; }
double MatchX(int place) { return QueryX() + kCellWidth + kQueryGap + place * (kCellWidth + kGap); }
double Width() { return MatchX(kRankingPictureMatches) - kGap + kMargin; }

int Shown(const RankedQuery& query) {
  return static_cast<int>(std::min(query.top.size(), static_cast<size_t>(kRankingPictureMatches)));
}

void DrawHeader(const std::string& title, Canvas& canvas) {
  const double right = Width() - kMargin;
  // The legend of the frames, at the right end.
  const char* kRight = "same identity";
  const char* kWrong = "another";
  constexpr double kBox = 14, kTop = 20;
  double x = right - Canvas::TextWidth(kWrong, kLabelSize);
  canvas.DrawText(kWrong, {x, kTop + 12}, kLabelSize, kInk);
  x -= kBox + 8;
  canvas.FrameBox({x, kTop, kBox, kBox}, 1, kMissColor);
  x -= 24 + Canvas::TextWidth(kRight, kLabelSize);
  canvas.DrawText(kRight, {x, kTop + 12}, kLabelSize, kInk);
  x -= kBox + 8 + kHitFrame;
  canvas.FrameBox({x + kHitFrame / 2, kTop + 1, kBox - kHitFrame, kBox - 2}, kHitFrame, kHitColor);
  canvas.DrawText(Canvas::CutToWidth(title, kTitleSize, x - kMargin - 24), {kMargin, kTop + 13},
                  kTitleSize, kInk);
  const double y = kHeaderHeight - 12;
  canvas.DrawText("query", {QueryX() + kCellWidth / 2, y}, kLabelSize, kGreyInk,
                  TextAlign::kCenter);
  for (int i = 0; i < kRankingPictureMatches; ++i) {
    canvas.DrawText(absl::StrCat(i + 1), {MatchX(i) + kCellWidth / 2, y}, kLabelSize, kGreyInk,
                    TextAlign::kCenter);
  }
}

void DrawRank(const RankedQuery& query, double middle, Canvas& canvas) {
  const auto shown = query.hit.begin() + Shown(query);
  if (std::find(query.hit.begin(), shown, true) != shown) return;
  const double x = kMargin + (kRankWidth - kGap) / 2;
  if (query.true_rank < 1) {
    canvas.DrawText("not in", {x, middle - 4}, kLabelSize, kGreyInk, TextAlign::kCenter);
    canvas.DrawText("gallery", {x, middle + 12}, kLabelSize, kGreyInk, TextAlign::kCenter);
    return;
  }
  canvas.DrawText("rank", {x, middle - 8}, kLabelSize, kMissedInk, TextAlign::kCenter);
  canvas.DrawText(absl::StrCat(query.true_rank), {x, middle + 14}, kRankSize, kMissedInk,
                  TextAlign::kCenter);
}

void DrawRow(const RankedQuery& query, double y, double cell_height, Canvas& canvas) {
  DrawRank(query, y + cell_height / 2, canvas);
  const CanvasBox query_box{QueryX(), y, kCellWidth, cell_height};
  canvas.DrawImage(query.query, query_box);
  canvas.FrameBox(query_box, 1, kInk);
  canvas.DrawText(Canvas::CutToWidth(query.caption, kCaptionSize, kCellWidth + kQueryGap - 6),
                  {QueryX(), y + cell_height + 15}, kCaptionSize, kGreyInk);
  for (int i = 0; i < Shown(query); ++i) {
    const auto place = static_cast<size_t>(i);
    const CanvasBox box{MatchX(i), y, kCellWidth, cell_height};
    canvas.DrawImage(query.top[place], box);
    canvas.FrameBox(box, query.hit[place] ? kHitFrame : 1,
                    query.hit[place] ? kHitColor : kMissColor);
  }
}

}  // namespace

std::vector<size_t> ChooseRows(const std::vector<int>& true_ranks,
                               const std::vector<float>& margins, size_t max_rows, RowOrder order) {
  S2P_CHECK(margins.size() == true_ranks.size());
  std::vector<size_t> rows(true_ranks.size());
  std::iota(rows.begin(), rows.end(), size_t{0});
  if (order == RowOrder::kWorstFirst) {
    std::stable_sort(rows.begin(), rows.end(),
                     [&](size_t a, size_t b) { return true_ranks[a] > true_ranks[b]; });
  } else {
    const auto key = [&](size_t row) { return std::make_pair(true_ranks[row] > 0, margins[row]); };
    std::stable_sort(rows.begin(), rows.end(), [&](size_t a, size_t b) { return key(a) > key(b); });
  }
  rows.resize(std::min(rows.size(), max_rows));
  return rows;
}

absl::StatusOr<Image> DrawRankingPicture(const std::vector<RankedQuery>& queries,
                                         const std::string& title) {
  for (size_t i = 0; i < queries.size(); ++i) {
    if (queries[i].hit.size() == queries[i].top.size()) continue;
    return absl::InvalidArgumentError(absl::StrCat("query ", i + 1, ": ", queries[i].top.size(),
                                                   " matches, but ", queries[i].hit.size(),
                                                   " of them are marked as right or wrong"));
  }
  if (queries.size() > kMostRows) {
    return absl::InvalidArgumentError(
        absl::StrCat("a picture of ", queries.size(), " queries: it can have at most ", kMostRows));
  }
  const double cell_height = CellHeight(queries);
  const double row_height = cell_height + kCaptionHeight + kRowGap;
  const double height =
      kHeaderHeight +
      (queries.empty() ? kEmptyHeight : row_height * static_cast<double>(queries.size()));
  S2P_ASSIGN_OR_RETURN(auto canvas,
                       Canvas::Create(static_cast<int>(Width()), static_cast<int>(height)));
  DrawHeader(title, canvas);
  if (queries.empty()) {
    canvas.DrawText("no query", {Width() / 2, kHeaderHeight + kEmptyHeight / 2}, kRankSize,
                    kGreyInk, TextAlign::kCenter);
  }
  for (size_t i = 0; i < queries.size(); ++i) {
    DrawRow(queries[i], kHeaderHeight + row_height * static_cast<double>(i), cell_height, canvas);
  }
  return canvas.Finish();
}

absl::Status WriteRankingPicture(const std::vector<RankedQuery>& queries, const std::string& title,
                                 const std::string& path) {
  const auto picture = DrawRankingPicture(queries, title);
  if (!picture.ok()) {
    return absl::Status(picture.status().code(),
                        absl::StrCat(path, ": ", picture.status().message()));
  }
  return WritePicture(*picture, path);
}

}  // namespace s2p
