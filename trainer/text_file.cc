#include "trainer/text_file.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "model/file.h"

namespace s2p {

TextFile::TextFile(std::string path, std::string text)
    : path_(std::move(path)), text_(std::move(text)) {
  if (absl::StartsWith(text_, "\xef\xbb\xbf")) position_ = 3;
}

absl::StatusOr<TextFile> TextFile::Read(const std::string& path) {
  auto text = ReadWholeFile(path, kMaxBytes);
  if (absl::IsDataLoss(text.status()) || absl::IsFailedPrecondition(text.status())) {
    return absl::InvalidArgumentError(text.status().message());
  }
  if (!text.ok()) return text.status();
  if (const size_t nul = text->find('\0'); nul != std::string::npos) {
    const auto line =
        std::count(text->begin(), text->begin() + static_cast<int64_t>(nul), '\n') + 1;
    return absl::InvalidArgumentError(absl::StrCat(path, ":", line, ": is not text"));
  }
  return TextFile(path, *std::move(text));
}

bool TextFile::Next(absl::string_view* line) {
  if (position_ >= text_.size()) return false;
  const size_t end = std::min(text_.find('\n', position_), text_.size());
  *line = absl::StripSuffix(absl::string_view(text_).substr(position_, end - position_), "\r");
  position_ = end + 1;
  ++line_;
  return true;
}

bool TextFile::NextFilled(absl::string_view* line) {
  while (Next(line)) {
    *line = absl::StripAsciiWhitespace(*line);
    if (!line->empty()) return true;
  }
  return false;
}

absl::Status TextFile::Wrong(absl::string_view what) const {
  return absl::InvalidArgumentError(absl::StrCat(path_, ":", line_, ": ", what));
}

}  // namespace s2p
