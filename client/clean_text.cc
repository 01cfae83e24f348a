#include "client/clean_text.h"

#include <cstdint>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "daemon/text_file.h"

namespace s2p {
namespace {

// The character that a text begins with.
struct Character {
  // 0: the first byte begins no character of UTF-8.
  size_t bytes = 0;
  uint32_t code = 0;
};

Character FirstOf(absl::string_view text) {
  const auto byte = [text](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  const size_t bytes = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  if (ValidUtf8Length(text.substr(0, bytes)) != bytes) return {};
  constexpr unsigned kLeadBits[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
  uint32_t code = lead & kLeadBits[bytes];
  for (size_t i = 1; i < bytes; ++i) code = code << 6 | (byte(i) & 0x3FU);
  return {bytes, code};
}

bool IsControl(uint32_t code) { return code < 0x20 || (code >= 0x7F && code < 0xA0); }

// Line and paragraph separators, and what turns the direction of writing.
bool SteersTerminal(uint32_t code) {
  return IsControl(code) || code == 0x200E || code == 0x200F ||
         (code >= 0x2028 && code <= 0x202E) || (code >= 0x2066 && code <= 0x2069);
}

std::string Escaped(uint32_t code) {
  if (code == '\n') return "\\n";
  if (code == '\r') return "\\r";
  if (code == '\t') return "\\t";
  return code < 0x80 ? absl::StrFormat("\\x%02x", code) : absl::StrFormat("\\u%04x", code);
}

}  // namespace

absl::Status CheckText(absl::string_view text, absl::string_view what) {
  const auto wrong = [&](absl::string_view why) {
    return absl::InvalidArgumentError(absl::StrCat(what, ": \"", Printable(text), "\" ", why));
  };
  if (ValidUtf8Length(text) != text.size()) return wrong("is not UTF-8 text");
  for (size_t i = 0; i < text.size();) {
    const Character character = FirstOf(text.substr(i));
    if (IsControl(character.code)) return wrong("has a control character");
    i += character.bytes;
  }
  return absl::OkStatus();
}

absl::Status CheckPhotoId(absl::string_view id, absl::string_view what) {
  if (id.empty() || id.size() > kMaxPhotoIdBytes) {
    return absl::InvalidArgumentError(absl::StrCat(what, ": an id of ", id.size(), " bytes; 1 to ",
                                                   kMaxPhotoIdBytes, " are allowed"));
  }
  return CheckText(id, what);
}

std::string Printable(absl::string_view text) {
  std::string result;
  for (size_t i = 0; i < text.size();) {
    const Character character = FirstOf(text.substr(i));
    if (character.bytes == 0) {
      absl::StrAppendFormat(&result, "\\x%02x", static_cast<unsigned char>(text[i++]));
      continue;
    }
    if (SteersTerminal(character.code)) {
      result += Escaped(character.code);
    } else {
      absl::StrAppend(&result, text.substr(i, character.bytes));
    }
    i += character.bytes;
  }
  return result;
}

}  // namespace s2p
