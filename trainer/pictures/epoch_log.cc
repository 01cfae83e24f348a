#include "trainer/pictures/epoch_log.h"

#include <google/protobuf/util/json_util.h>

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "model/file.h"
#include "trainer/pictures/learning_curve.h"

namespace s2p {
namespace {

// A file that an older program has left may be of almost any size.
constexpr uint64_t kMostThinnedBytes = uint64_t{1} << 30;
constexpr uint32_t kMostStride = uint32_t{1} << 30;

// A line, with its end, and the number of its epoch in its step.
struct EpochLine {
  absl::string_view text;
  uint32_t epoch = 0;
};

std::vector<EpochLine> LinesOf(absl::string_view text) {
  google::protobuf::util::JsonParseOptions options;
  options.ignore_unknown_fields = true;
  std::vector<EpochLine> lines;
  for (size_t end; (end = text.find('\n')) != absl::string_view::npos;) {
    v1::TrainingProgress progress;
    const absl::string_view json = text.substr(0, end);
    const auto status =
        google::protobuf::util::JsonStringToMessage({json.data(), json.size()}, &progress, options);
    if (status.ok() && progress.epoch() > 0) {
      lines.push_back({text.substr(0, end + 1), progress.epoch()});
    }
    text.remove_prefix(end + 1);
  }
  return lines;
}

// The lines of the first epoch and of each `stride`-th after it, and the last line.
std::string Thinned(const std::vector<EpochLine>& lines, uint32_t stride) {
  std::string kept;
  for (const EpochLine& line : lines) {
    if ((line.epoch - 1) % stride == 0 || &line == &lines.back()) absl::StrAppend(&kept, line.text);
  }
  return kept;
}

}  // namespace

void EpochLog::Write(const v1::TrainingProgress& progress) {
  std::string json;
  google::protobuf::util::JsonPrintOptions options;
  options.always_print_primitive_fields = true;
  if (google::protobuf::util::MessageToJsonString(progress, &json, options).ok()) {
    if (!file_.is_open()) file_.open(path_, std::ios::app);
    file_.clear();
    file_ << json << std::endl;
    if (file_.tellp() > most_bytes_) Thin();
  }
}

void EpochLog::Thin() {
  const auto text = ReadWholeFile(path_, kMostThinnedBytes);
  if (!text.ok()) return;
  const std::vector<EpochLine> lines = LinesOf(*text);
  uint32_t stride = 2;
  std::string thinned = Thinned(lines, stride);
  while (static_cast<int64_t>(thinned.size()) > most_bytes_ / 2 && stride < kMostStride) {
    stride *= 2;
    thinned = Thinned(lines, stride);
  }
  const std::string temporary = path_ + ".tmp";
  if (!WriteFileSynced(temporary, {thinned}).ok() ||
      std::rename(temporary.c_str(), path_.c_str()) != 0) {
    std::remove(temporary.c_str());
    return;
  }
  static_cast<void>(SyncDirectory(std::filesystem::path(path_).parent_path().string()));
  file_.close();
  file_.clear();
  file_.open(path_, std::ios::app);
}

std::string DrawEpochLog(const std::string& folder, const std::string& title) {
  const auto points = ReadEpochPoints(folder + "/metrics.jsonl");
  if (!points.ok() || points->empty()) return "";
  const std::string path = folder + "/learning_curve.png";
  return WriteLearningCurve(*points, title, path).ok() ? path : std::string();
}

}  // namespace s2p
