// Reading the points of a learning curve.
#include <google/protobuf/util/json_util.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status_macros.h"
#include "model/file.h"
#include "trainer/pictures/learning_curve.h"

namespace s2p {
namespace {

// A line is about 600 bytes; this is more than a hundred thousand epochs.
constexpr uint64_t kMaxLogBytes = 64 << 20;

bool IsAtOrAfter(const EpochPoint& point, const EpochPoint& other) {
  return std::pair(point.ihda_step, point.epoch) >= std::pair(other.ihda_step, other.epoch);
}

}  // namespace

EpochPoint EpochPointOf(const v1::TrainingProgress& progress) {
  EpochPoint point;
  point.ihda_step = static_cast<int>(progress.ihda_step());
  point.epoch = static_cast<int>(progress.epoch());
  for (const v1::LossTerm& term : progress.losses()) {
    point.losses.emplace_back(term.name(), term.value());
  }
  if (progress.has_rank1()) point.rank1 = progress.rank1();
  if (progress.has_mean_average_precision()) {
    point.mean_average_precision = progress.mean_average_precision();
  }
  point.learning_rate = progress.learning_rate();
  return point;
}

absl::StatusOr<std::vector<EpochPoint>> ReadEpochPoints(const std::string& path) {
  S2P_ASSIGN_OR_RETURN(const auto text, ReadWholeFile(path, kMaxLogBytes));
  std::vector<absl::string_view> lines = absl::StrSplit(text, '\n');
  lines.pop_back();  // What follows the last line's end: nothing, or a torn line.
  google::protobuf::util::JsonParseOptions options;
  options.ignore_unknown_fields = true;
  std::vector<EpochPoint> points;
  for (const absl::string_view line : lines) {
    v1::TrainingProgress progress;
    const auto status =
        google::protobuf::util::JsonStringToMessage({line.data(), line.size()}, &progress, options);
    if (!status.ok() || progress.ihda_step() < 1 || progress.epoch() < 1) continue;
    EpochPoint point = EpochPointOf(progress);
    while (!points.empty() && IsAtOrAfter(points.back(), point)) points.pop_back();
    points.push_back(std::move(point));
  }
  if (points.empty() && !lines.empty()) {
    return absl::DataLossError(
        absl::StrCat(path, ": none of its ", lines.size(), " lines is the JSON of an epoch"));
  }
  return points;
}

}  // namespace s2p
