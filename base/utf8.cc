#include "base/utf8.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace s2p {
namespace {

bool IsControl(char32_t code) { return code < 0x20 || (code >= 0x7F && code < 0xA0); }

// True for control characters, line and paragraph separators, and characters that change the
// direction of writing.
bool SteersTerminal(char32_t code) {
  return IsControl(code) || code == 0x200E || code == 0x200F ||
         (code >= 0x2028 && code <= 0x202E) || (code >= 0x2066 && code <= 0x2069);
}

std::string Escaped(char32_t code) {
  if (code == '\n') return "\\n";
  if (code == '\r') return "\\r";
  if (code == '\t') return "\\t";
  return code < 0x80 ? absl::StrFormat("\\x%02x", static_cast<uint32_t>(code))
                     : absl::StrFormat("\\u%04x", static_cast<uint32_t>(code));
}

}  // namespace

Utf8Character FirstCharacter(absl::string_view text) {
  const auto byte = [text](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {1, lead};
  const size_t bytes = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < bytes) return {};
  // The range of the second byte excludes overlong forms, surrogates, and codes above U+10FFFF.
  const unsigned char least = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  const unsigned char most = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  if (byte(1) < least || byte(1) > most) return {};
  char32_t code = lead & (0x7FU >> bytes);
  for (size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return {};
    code = code << 6 | (byte(i) & 0x3FU);
  }
  return {bytes, code};
}

size_t ValidUtf8Length(absl::string_view text) {
  size_t length = 0;
  while (length < text.size()) {
    const size_t bytes = FirstCharacter(text.substr(length)).bytes;
    if (bytes == 0) break;
    length += bytes;
  }
  return length;
}

bool IsUtf8(absl::string_view text) { return ValidUtf8Length(text) == text.size(); }

bool HasControlCharacter(absl::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const Utf8Character character = FirstCharacter(text.substr(i));
    if (character.bytes == 0) return false;
    if (IsControl(character.code)) return true;
    i += character.bytes;
  }
  return false;
}

std::string Printable(absl::string_view text) {
  std::string result;
  for (size_t i = 0; i < text.size();) {
    const Utf8Character character = FirstCharacter(text.substr(i));
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
