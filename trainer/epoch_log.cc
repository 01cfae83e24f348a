#include "trainer/epoch_log.h"

#include <google/protobuf/util/json_util.h>

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

}  // namespace s2p
