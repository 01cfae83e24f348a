#include "client/report.h"

#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <map>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/utf8.h"
#include "client/colour.h"

namespace s2p {
namespace {

// Counts code points, since a terminal shows most of them in one column.
size_t Width(absl::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

}  // namespace

std::string ToJson(const google::protobuf::Message& message, bool compact) {
  google::protobuf::util::JsonPrintOptions options;
  options.always_print_primitive_fields = true;
  options.add_whitespace = !compact;
  std::string json;
  // Fails only for an Any, which the API does not use, and for text that is not UTF-8, which the
  // parser has already refused.
  const auto status = google::protobuf::util::MessageToJsonString(message, &json, options);
  if (!status.ok()) json = absl::StrCat("{\"error\": \"", status.ToString(), "\"}");
  if (json.empty() || json.back() != '\n') json.push_back('\n');
  return json;
}

void PrintTable(const std::vector<std::vector<std::string>>& rows, std::ostream& out) {
  PrintTable(rows, out, WantsColour(out));
}

void PrintTable(const std::vector<std::vector<std::string>>& rows, std::ostream& out,
                bool colours) {
  std::vector<size_t> widths;
  std::vector<bool> to_right;
  const auto cell_at = [&](size_t r, size_t c) {
    absl::string_view cell = rows[r][c];
    if (r == 0) absl::ConsumePrefix(&cell, ">");
    return cell;
  };
  for (size_t r = 0; r < rows.size(); ++r) {
    widths.resize(std::max(widths.size(), rows[r].size()), 0);
    for (size_t c = 0; c < rows[r].size(); ++c) {
      if (r == 0) to_right.push_back(absl::StartsWith(rows[r][c], ">"));
      widths[c] = std::max(widths[c], Width(cell_at(r, c)));
    }
  }
  for (size_t r = 0; r < rows.size(); ++r) {
    std::string line;
    for (size_t c = 0; c < rows[r].size(); ++c) {
      const absl::string_view cell = cell_at(r, c);
      const std::string padding(widths[c] - Width(cell), ' ');
      const bool right = c < to_right.size() && to_right[c];
      const bool is_state = colours && c < rows[0].size() && cell_at(0, c) == "state";
      absl::StrAppend(&line, c == 0 ? "" : "  ", right ? padding : "",
                      is_state ? PaintState(cell) : std::string(cell), right ? "" : padding);
    }
    out << absl::StripTrailingAsciiWhitespace(line) << '\n';
  }
}

std::string ToText(const google::protobuf::Map<std::string, std::string>& metadata) {
  std::string text;
  for (const auto& [key, value] :
       std::map<std::string, std::string>(metadata.begin(), metadata.end())) {
    absl::StrAppend(&text, text.empty() ? "" : " ", key, "=", value);
  }
  return Printable(text);
}

}  // namespace s2p
