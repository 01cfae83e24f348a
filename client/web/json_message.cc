#include "client/web/json_message.h"

#include <google/protobuf/util/json_util.h>

#include "absl/strings/str_cat.h"
#include "client/report.h"

namespace s2p {

absl::Status ReadRequest(const Exchange& exchange, google::protobuf::Message& request) {
  const std::string parameter = Parameter(exchange, "request");
  const std::string& json = parameter.empty() ? exchange.body : parameter;
  if (json.empty()) return absl::OkStatus();
  const auto status = google::protobuf::util::JsonStringToMessage(json, &request);
  if (status.ok()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("no JSON of a ", request.GetDescriptor()->name(),
                                                 ": ",
                                                 std::string(status.message()).substr(0, 200)));
}

void AnswerJson(Exchange& exchange, const google::protobuf::Message& message) {
  Answer(exchange, ToJson(message, /*compact=*/true), "application/json");
}

}  // namespace s2p
