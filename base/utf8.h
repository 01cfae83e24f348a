// UTF-8 text (Unicode 15, table 3-7): whether it is well-formed, and how to show it safely.
#ifndef S2P_BASE_UTF8_H_
#define S2P_BASE_UTF8_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace s2p {

// The functions below are thread-safe.

struct Utf8Character {
  // 1 to 4; 0 if the text does not start with a well-formed character.
  size_t bytes = 0;
  char32_t code = 0;
};

// The first character of a text. Requires a non-empty text.
Utf8Character FirstCharacter(absl::string_view text);

// The length of the longest well-formed prefix; text.size() if the whole text is well-formed.
size_t ValidUtf8Length(absl::string_view text);

bool IsUtf8(absl::string_view text);

// Whether a text that is UTF-8 has a control character, U+0000 to U+001F or U+007F to U+009F.
bool HasControlCharacter(absl::string_view text);

// The text for a terminal or a message: replaces control characters, bidirectional controls and
// bytes that are not UTF-8 by visible escapes such as \x1b or \u202e, so that a name cannot steer
// the terminal that shows it.
std::string Printable(absl::string_view text);

}  // namespace s2p

#endif  // S2P_BASE_UTF8_H_
