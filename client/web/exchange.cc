#include "client/web/exchange.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace s2p {

std::string Parameter(const Exchange& exchange, absl::string_view name) {
  return std::string(exchange.request.Parameter(name));
}

void SetHeader(Exchange& exchange, absl::string_view name, absl::string_view value) {
  exchange.response.SetHeader(name, value);
}

void Answer(Exchange& exchange, std::string body, absl::string_view content_type) {
  exchange.response.status = 200;
  exchange.response.SetBody(std::move(body), content_type);
}

void AnswerNothing(Exchange& exchange) { exchange.response.status = 204; }

bool AnswerUnchanged(Exchange& exchange, const std::string& etag) {
  const std::string quoted = absl::StrCat("\"", etag, "\"");
  SetHeader(exchange, "ETag", quoted);
  for (absl::string_view tag : absl::StrSplit(exchange.request.Header("If-None-Match"), ',')) {
    tag = absl::StripAsciiWhitespace(tag);
    // A compressing proxy makes the tag weak.
    absl::ConsumePrefix(&tag, "W/");
    if (tag != quoted && tag != "*") continue;
    exchange.response.status = 304;
    return true;
  }
  return false;
}

}  // namespace s2p
