#include "base/text_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"
#include "base/utf8.h"

namespace s2p {
namespace {

constexpr uint64_t kMaxPemBytes = uint64_t{1} << 24;
constexpr absl::string_view kByteOrderMark = "\xef\xbb\xbf";

// Closes the descriptor when it is destroyed.
class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (number_ >= 0) close(number_);
  }
  int number() const { return number_; }

 private:
  const int number_;
};

absl::StatusOr<std::string> ReadBytes(const std::string& path, uint64_t max_bytes) {
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  const auto wrong = [&path](absl::string_view what) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": ", what));
  };
  if (file.number() < 0) return absl::ErrnoToStatus(errno, absl::StrCat(path, ": open"));
  struct stat attributes = {};
  if (fstat(file.number(), &attributes) == 0 && S_ISDIR(attributes.st_mode)) {
    return wrong("is a folder, not a file");
  }
  std::string bytes;
  char piece[1 << 16];
  for (;;) {
    const ssize_t got = read(file.number(), piece, sizeof piece);
    if (got == 0) return bytes;
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return absl::ErrnoToStatus(errno, absl::StrCat(path, ": read"));
    bytes.append(piece, static_cast<size_t>(got));
    if (bytes.size() > max_bytes) {
      return wrong(
          absl::StrCat("has more than ", max_bytes, " bytes, the limit for this kind of file"));
    }
  }
}

// The encoding that the first bytes reveal, if it is not UTF-8; null if they reveal nothing.
const char* OtherEncoding(absl::string_view bytes) {
  using absl::string_view;
  if (absl::StartsWith(bytes, string_view("\xff\xfe\0\0", 4))) return "UTF-32";
  if (absl::StartsWith(bytes, string_view("\0\0\xfe\xff", 4))) return "UTF-32";
  if (absl::StartsWith(bytes, "\xff\xfe") || absl::StartsWith(bytes, "\xfe\xff")) return "UTF-16";
  // In UTF-16, an ASCII character at the start has a NUL next to it.
  if (bytes.size() >= 4 && bytes.size() % 2 == 0 && (bytes[0] == '\0') != (bytes[1] == '\0')) {
    return (bytes[0] == '\0' ? bytes[2] : bytes[3]) == '\0' ? "UTF-16" : nullptr;
  }
  return nullptr;
}

// `bytes` with every line end changed to "\n".
std::string WithPlainLineEnds(absl::string_view bytes) {
  std::string text;
  text.reserve(bytes.size());
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (bytes[i] != '\r') {
      text.push_back(bytes[i]);
    } else if (i + 1 == bytes.size() || bytes[i + 1] != '\n') {
      text.push_back('\n');
    }
  }
  return text;
}

void DropByteOrderMarks(std::string& text) {
  size_t out = 0;
  for (size_t i = 0; i < text.size();) {
    const bool starts_line = out == 0 || text[out - 1] == '\n';
    if (starts_line && text.compare(i, kByteOrderMark.size(), kByteOrderMark.data()) == 0) {
      i += kByteOrderMark.size();
    } else {
      text[out++] = text[i++];
    }
  }
  text.resize(out);
}

}  // namespace

absl::StatusOr<std::string> PlainText(absl::string_view bytes, absl::string_view path) {
  const auto wrong = [path](int64_t line, absl::string_view what) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ":", line, ": ", what, ": save the file as UTF-8"));
  };
  if (const char* encoding = OtherEncoding(bytes); encoding != nullptr) {
    return wrong(1, absl::StrCat("the text is ", encoding, ", not UTF-8"));
  }
  std::string text = WithPlainLineEnds(bytes);
  const size_t nul = std::min(text.find('\0'), text.size());
  const size_t valid = std::min(nul, ValidUtf8Length(text));
  if (valid < text.size()) {
    const auto line =
        1 + std::count(text.begin(), text.begin() + static_cast<int64_t>(valid), '\n');
    const size_t start = valid == 0 ? 0 : text.rfind('\n', valid - 1) + 1;
    return wrong(line, absl::StrCat(valid == nul ? "is not text but has a NUL" : "is not UTF-8",
                                    " at byte ", valid - start + 1, " of the line"));
  }
  DropByteOrderMarks(text);
  return text;
}

absl::StatusOr<std::string> ReadTextFile(const std::string& path, uint64_t max_bytes) {
  S2P_ASSIGN_OR_RETURN(const auto bytes, ReadBytes(path, max_bytes));
  return PlainText(bytes, path);
}

absl::StatusOr<std::string> ReadPemFile(const std::string& path) {
  auto bytes = ReadBytes(path, kMaxPemBytes);
  if (!bytes.ok()) return bytes.status();
  const bool is_pem = absl::StrContains(*bytes, "-----BEGIN ");
  auto text = PlainText(*bytes, path);
  if (is_pem) return text.ok() ? text : bytes;
  // A sequence, with its length in two bytes.
  if (absl::StartsWith(*bytes, "\x30\x82")) {
    return absl::InvalidArgumentError(absl::StrCat(
        path, ": is in DER form; convert it to PEM with openssl x509 or pkey -inform der"));
  }
  if (!text.ok()) return text.status();
  return absl::InvalidArgumentError(
      absl::StrCat(path, ": holds no certificate or key in PEM form: no line is -----BEGIN ..."));
}

TextFile::TextFile(std::string path, std::string text)
    : path_(std::move(path)), text_(std::move(text)) {}

absl::StatusOr<TextFile> TextFile::Read(const std::string& path, uint64_t max_bytes) {
  S2P_ASSIGN_OR_RETURN(auto text, ReadTextFile(path, max_bytes));
  return TextFile(path, std::move(text));
}

absl::StatusOr<TextFile> TextFile::Parse(absl::string_view bytes, const std::string& path) {
  S2P_ASSIGN_OR_RETURN(auto text, PlainText(bytes, path));
  return TextFile(path, std::move(text));
}

bool TextFile::Next(absl::string_view* line) {
  if (position_ >= text_.size()) return false;
  const size_t end = std::min(text_.find('\n', position_), text_.size());
  *line = absl::string_view(text_).substr(position_, end - position_);
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
