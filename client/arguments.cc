#include "client/arguments.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"
#include "client/clean_text.h"

namespace s2p {
namespace {

bool ParseBound(absl::string_view text, float& bound) {
  return absl::SimpleAtof(text, &bound) && std::isfinite(bound);
}

}  // namespace

absl::StatusOr<std::pair<std::string, std::string>> ParsePair(absl::string_view text,
                                                              absl::string_view flag) {
  const size_t equals = text.find('=');
  if (equals == absl::string_view::npos || equals == 0) {
    return absl::InvalidArgumentError(absl::StrCat(flag, " ", text, ": expected KEY=VALUE"));
  }
  S2P_RETURN_IF_ERROR(CheckText(text, flag));
  return std::pair(std::string(text.substr(0, equals)), std::string(text.substr(equals + 1)));
}

absl::StatusOr<v1::AttributeRange> ParseAttributeRange(absl::string_view text) {
  const absl::Status wrong = absl::InvalidArgumentError(
      absl::StrCat("--attribute ", text, ": expected NAME:MIN..MAX, as in boots:0.5..1"));
  const size_t colon = text.rfind(':');
  if (colon == absl::string_view::npos || colon == 0) return wrong;
  const absl::string_view range = text.substr(colon + 1);
  const size_t dots = range.find("..");
  if (dots == absl::string_view::npos) return wrong;
  S2P_RETURN_IF_ERROR(CheckText(text, "--attribute"));
  v1::AttributeRange result;
  result.set_name(std::string(text.substr(0, colon)));
  float bound = 0;
  if (const auto low = range.substr(0, dots); !low.empty()) {
    if (!ParseBound(low, bound)) return wrong;
    result.set_min(bound);
  }
  if (const auto high = range.substr(dots + 2); !high.empty()) {
    if (!ParseBound(high, bound)) return wrong;
    result.set_max(bound);
  }
  return result;
}

absl::StatusOr<v1::Color> ParseColor(absl::string_view text, absl::string_view flag) {
  const absl::string_view digits = absl::StripPrefix(text, "#");
  const bool good =
      digits.size() == 6 && std::all_of(digits.begin(), digits.end(),
                                        [](unsigned char c) { return absl::ascii_isxdigit(c); });
  if (!good) {
    S2P_RETURN_IF_ERROR(CheckText(text, flag));
    return absl::InvalidArgumentError(
        absl::StrCat(flag, " ", text, ": expected six hex digits, as in '#c0392b' or c0392b"));
  }
  v1::Color color;
  color.set_rgb(absl::StrCat("#", digits));
  return color;
}

absl::StatusOr<v1::Filter> ParseFilter(const std::vector<std::string>& metadata,
                                       const std::vector<std::string>& attributes) {
  v1::Filter filter;
  for (const std::string& text : metadata) {
    S2P_ASSIGN_OR_RETURN(auto pair, ParsePair(text, "--filter"));
    (*filter.mutable_metadata())[pair.first] = pair.second;
  }
  for (const std::string& text : attributes) {
    S2P_ASSIGN_OR_RETURN(auto range, ParseAttributeRange(text));
    *filter.add_attributes() = std::move(range);
  }
  return filter;
}

}  // namespace s2p
