#include "trainer/pictures/epoch_log.h"

#include <google/protobuf/util/json_util.h>

#include "trainer/pictures/learning_curve.h"

namespace s2p {

void EpochLog::Write(const v1::TrainingProgress& progress) {
  std::string json;
  google::protobuf::util::JsonPrintOptions options;
  options.always_print_primitive_fields = true;
  if (google::protobuf::util::MessageToJsonString(progress, &json, options).ok()) {
    file_.clear();
    file_ << json << std::endl;
  }
}

std::string DrawEpochLog(const std::string& folder, const std::string& title) {
  const auto points = ReadEpochPoints(folder + "/metrics.jsonl");
  if (!points.ok() || points->empty()) return "";
  const std::string path = folder + "/learning_curve.png";
  return WriteLearningCurve(*points, title, path).ok() ? path : std::string();
}

}  // namespace s2p
