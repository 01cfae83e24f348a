#include "client/web/json_message.h"

#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"
#include "base/utf8.h"
#include "client/report.h"
#include "client/web/http_error.h"

namespace s2p {
namespace {

constexpr char kByteOrderMark[] = "\xEF\xBB\xBF";
// An empty message in a repeated field, the largest thing for the shortest text.
constexpr uint64_t kBytesPerValue = 80;

// One pass over a text. One thread only.
class JsonCounter {
 public:
  JsonCounter(absl::string_view json, const JsonLimits& limits) : json_(json), limits_(limits) {}

  absl::Status Count() {
    for (; at_ < json_.size(); ++at_) {
      S2P_RETURN_IF_ERROR(Step(json_[at_]));
    }
    return absl::OkStatus();
  }
  size_t values() const { return values_; }

 private:
  // An array or object that is open.
  struct Level {
    bool is_object;
    bool expects_key;
    // The name of an object's current member, and how many values came before the current one.
    absl::string_view key;
    size_t index;
  };

  absl::Status Step(char c) {
    switch (c) {
      case '"':
        SkipString();
        return absl::OkStatus();
      case '{':
      case '[':
        return Open(c == '{');
      case '}':
      case ']':
        if (!levels_.empty()) levels_.pop_back();
        return absl::OkStatus();
      case ',':
        return Next();
      case '\'':
        return Wrong("a single quote outside a string");
      default:
        return Other(c);
    }
  }

  absl::Status Other(char c) const {
    const bool is_key = !levels_.empty() && levels_.back().expects_key && !absl::ascii_isspace(c);
    return is_key ? Wrong("a key without quotes") : absl::OkStatus();
  }

  // Leaves `at_` on the closing quote.
  void SkipString() {
    const size_t begin = ++at_;
    while (at_ < json_.size() && json_[at_] != '"') at_ += json_[at_] == '\\' ? 2 : 1;
    if (levels_.empty() || !levels_.back().expects_key) return;
    levels_.back().key = json_.substr(begin, std::min(at_, json_.size()) - begin);
    levels_.back().expects_key = false;
  }

  absl::Status Open(bool is_object) {
    if (levels_.size() >= limits_.max_depth) {
      return Wrong(absl::StrCat("nested more than ", limits_.max_depth, " deep"));
    }
    levels_.push_back({is_object, is_object, {}, 0});
    return CountValue();
  }

  absl::Status Next() {
    if (levels_.empty()) return absl::OkStatus();
    Level& level = levels_.back();
    level.expects_key = level.is_object;
    if (++level.index < limits_.max_elements) return CountValue();
    levels_.pop_back();
    return Wrong(absl::StrCat("more than ", limits_.max_elements, " elements"));
  }

  absl::Status CountValue() {
    if (++values_ <= limits_.max_values) return absl::OkStatus();
    return Wrong(absl::StrCat("the request has more than ", limits_.max_values, " values"));
  }

  // For the value that is being read: "examples[0].strokes: what".
  absl::Status Wrong(absl::string_view what) const {
    std::string path;
    for (const Level& level : levels_) {
      if (level.is_object) {
        if (level.key.empty() || level.expects_key) continue;
        absl::StrAppend(&path, path.empty() ? "" : ".", level.key.substr(0, kMaxKeyBytes));
      } else {
        absl::StrAppend(&path, "[", level.index, "]");
      }
    }
    return absl::InvalidArgumentError(absl::StrCat(path, path.empty() ? "" : ": ", what));
  }

  static constexpr size_t kMaxKeyBytes = 40;
  const absl::string_view json_;
  const JsonLimits limits_;
  size_t at_ = 0;
  size_t values_ = 0;
  std::vector<Level> levels_;
};

}  // namespace

absl::Status CheckJsonSize(absl::string_view json, const JsonLimits& limits, size_t* values) {
  JsonCounter counter(json, limits);
  const absl::Status status = counter.Count();
  *values = counter.values();
  return status;
}

absl::Status ReadRequest(Exchange& exchange, google::protobuf::Message& request) {
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
  size_t values = 0;
  if (const auto size = CheckJsonSize(json, JsonLimits(), &values); !size.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the request is not JSON of a ", type, ": ", size.message()));
  }
  // Twice the text: the message, and its bytes for the server.
  const uint64_t bytes = values * kBytesPerValue + 2 * json.size();
  if (bytes > exchange.messages.most()) {
    return TooLargeError(absl::StrCat("the request may take ", bytes, " bytes of memory; at most ",
                                      exchange.messages.most(),
                                      " are allowed for all requests (--message-memory)"));
  }
  if (!exchange.messages.Hold(bytes)) {
    return absl::UnavailableError("too many large requests are being answered");
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
