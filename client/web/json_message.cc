#include "client/web/json_message.h"

#include <google/protobuf/util/json_util.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/utf8.h"
#include "client/report.h"

namespace s2p {
namespace {

constexpr char kByteOrderMark[] = "\xEF\xBB\xBF";

}  // namespace

absl::Status ReadRequest(const Exchange& exchange, google::protobuf::Message& request) {
  const std::string parameter = Parameter(exchange, "request");
  absl::string_view json = parameter.empty() ? exchange.request.body : parameter;
  // Some editors and shells put it at the start of a file.
  absl::ConsumePrefix(&json, kByteOrderMark);
  if (json.empty()) return absl::OkStatus();
  const std::string& type = request.GetDescriptor()->name();
  if (!IsUtf8(json)) {
    return absl::InvalidArgumentError(absl::StrCat("the request is not JSON of a ", type, ": byte ",
                                                   ValidUtf8Length(json) + 1, " is not UTF-8"));
  }
  const auto status = google::protobuf::util::JsonStringToMessage(
      google::protobuf::StringPiece(json.data(), json.size()), &request);
  if (status.ok()) return absl::OkStatus();
  const std::string words(status.message());
  const absl::string_view shown =
      absl::string_view(words).substr(0, ValidUtf8Length(absl::string_view(words).substr(0, 200)));
  return absl::InvalidArgumentError(
      absl::StrCat("the request is not JSON of a ", type, ": ", shown));
}

void AnswerJson(Exchange& exchange, const google::protobuf::Message& message) {
  Answer(exchange, ToJson(message, /*compact=*/true), "application/json");
}

}  // namespace s2p
