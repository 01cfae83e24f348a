#include "trainer/import/canonical_name.h"

#include <unicode/bytestream.h>
#include <unicode/normalizer2.h>
#include <unicode/stringpiece.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "base/check.h"
#include "base/utf8.h"

namespace s2p {
namespace {

bool IsAscii(absl::string_view name) {
  return std::all_of(name.begin(), name.end(),
                     [](char c) { return absl::ascii_isascii(static_cast<unsigned char>(c)); });
}

icu::StringPiece PieceOf(absl::string_view text) {
  return {text.data(), static_cast<int32_t>(text.size())};
}

}  // namespace

std::string CanonicalName(absl::string_view name) {
  if (IsAscii(name) || !IsUtf8(name)) return std::string(name);
  UErrorCode error = U_ZERO_ERROR;
  const icu::Normalizer2* const form = icu::Normalizer2::getNFCInstance(error);
  std::string canonical;
  icu::StringByteSink<std::string> sink(&canonical);
  if (U_SUCCESS(error)) form->normalizeUTF8(0, PieceOf(name), sink, nullptr, error);
  // The tables of NFC are part of the library, and every UTF-8 text has this form.
  S2P_CHECK(U_SUCCESS(error));
  return canonical;
}

std::string LookOf(absl::string_view name) {
  UErrorCode error = U_ZERO_ERROR;
  const icu::Normalizer2* const form = icu::Normalizer2::getNFDInstance(error);
  S2P_CHECK(U_SUCCESS(error));
  const icu::UnicodeString taken_apart =
      form->normalize(icu::UnicodeString::fromUTF8(PieceOf(name)), error);
  S2P_CHECK(U_SUCCESS(error));
  icu::UnicodeString look;
  for (int32_t i = 0; i < taken_apart.length(); i = taken_apart.moveIndex32(i, 1)) {
    const UChar32 character = taken_apart.char32At(i);
    if (u_charType(character) == U_NON_SPACING_MARK) continue;
    look.append(u_foldCase(character, U_FOLD_CASE_DEFAULT));
  }
  std::string text;
  return look.toUTF8String(text);
}

}  // namespace s2p
