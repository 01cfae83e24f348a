#include "client/clean_text.h"

#include "absl/strings/str_cat.h"
#include "base/utf8.h"

namespace s2p {
absl::Status CheckText(absl::string_view text, absl::string_view what) {
  const auto wrong = [&](absl::string_view why) {
    return absl::InvalidArgumentError(absl::StrCat(what, ": \"", Printable(text), "\" ", why));
  };
  if (!IsUtf8(text)) return wrong("is not UTF-8 text");
  if (HasControlCharacter(text)) return wrong("has a control character");
  return absl::OkStatus();
}

absl::Status CheckPhotoId(absl::string_view id, absl::string_view what) {
  if (id.empty() || id.size() > kMaxPhotoIdBytes) {
    return absl::InvalidArgumentError(absl::StrCat(what, ": an id of ", id.size(), " bytes; 1 to ",
                                                   kMaxPhotoIdBytes, " are allowed"));
  }
  return CheckText(id, what);
}

}  // namespace s2p
