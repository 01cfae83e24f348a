#include "daemon/http/http_message.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"

namespace s2p {
namespace {

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = absl::ascii_tolower(static_cast<unsigned char>(c));
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

std::string Decoded(absl::string_view text, bool plus_is_space) {
  std::string decoded;
  decoded.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && HexDigit(text[i + 1]) >= 0 &&
        HexDigit(text[i + 2]) >= 0) {
      decoded += static_cast<char>(HexDigit(text[i + 1]) * 16 + HexDigit(text[i + 2]));
      i += 2;
    } else {
      decoded += plus_is_space && text[i] == '+' ? ' ' : text[i];
    }
  }
  return decoded;
}

// Splits at the first `at`, which belongs to neither part.
std::pair<absl::string_view, absl::string_view> Split(absl::string_view text, char at) {
  const size_t found = text.find(at);
  if (found == absl::string_view::npos) return {text, {}};
  return {text.substr(0, found), text.substr(found + 1)};
}

absl::string_view Find(const HttpFields& fields, absl::string_view name) {
  for (const auto& [field, value] : fields) {
    if (absl::EqualsIgnoreCase(field, name)) return value;
  }
  return {};
}

}  // namespace

void HttpRequest::SetTarget(absl::string_view sent) {
  target = std::string(sent);
  parameters.clear();
  auto [path_sent, query] = Split(Split(target, '#').first, '?');
  path = Decoded(path_sent, /*plus_is_space=*/false);
  while (!query.empty()) {
    const auto [pair, rest] = Split(query, '&');
    const auto [name, value] = Split(pair, '=');
    if (!pair.empty()) parameters.emplace_back(Decoded(name, true), Decoded(value, true));
    query = rest;
  }
}

absl::string_view HttpRequest::Header(absl::string_view name) const { return Find(headers, name); }

size_t HttpRequest::CountHeaders(absl::string_view name) const {
  return static_cast<size_t>(std::count_if(
      headers.begin(), headers.end(),
      [name](const auto& header) { return absl::EqualsIgnoreCase(header.first, name); }));
}

absl::string_view HttpRequest::Parameter(absl::string_view name) const {
  for (const auto& [parameter, value] : parameters) {
    if (parameter == name) return value;
  }
  return {};
}

void HttpResponse::SetHeader(absl::string_view name, absl::string_view value) {
  headers.erase(
      std::remove_if(headers.begin(), headers.end(),
                     [name](const auto& h) { return absl::EqualsIgnoreCase(h.first, name); }),
      headers.end());
  AddHeader(name, value);
}

void HttpResponse::AddHeader(absl::string_view name, absl::string_view value) {
  headers.emplace_back(name, value);
}

absl::string_view HttpResponse::Header(absl::string_view name) const { return Find(headers, name); }

void HttpResponse::SetBody(std::string bytes, absl::string_view content_type) {
  body = std::move(bytes);
  SetHeader("Content-Type", content_type);
}

}  // namespace s2p
