// Text files that people edit, read the same way by every program: specs, configuration, lists,
// keys.
#ifndef S2P_BASE_TEXT_FILE_H_
#define S2P_BASE_TEXT_FILE_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace s2p {

// 256 MiB; the largest text file in a published data set has 25 MiB.
inline constexpr uint64_t kMaxTextBytes = uint64_t{1} << 28;

// The text in `bytes` in the form that all our readers expect: UTF-8 whose lines end in "\n". Byte
// order marks at the start of a line are dropped ("cat a b" leaves one in the middle); "\r\n" and a
// lone "\r" become "\n". InvalidArgument for UTF-16 and UTF-32, a NUL byte, and bytes that are not
// UTF-8; the message starts with "PATH:LINE: " and never repeats the text.
absl::StatusOr<std::string> PlainText(absl::string_view bytes, absl::string_view path);

// Reads a file, or a pipe to its end, as PlainText. NotFound if the file does not exist;
// PermissionDenied if it may not be read; InvalidArgument, naming the path, for a folder and above
// `max_bytes`.
absl::StatusOr<std::string> ReadTextFile(const std::string& path,
                                         uint64_t max_bytes = kMaxTextBytes);

// Reads certificates or a key in PEM form as ReadTextFile does, but leaves bytes that are not UTF-8
// alone: only the text between BEGIN and END counts, and bundles name authorities in old encodings.
// Also InvalidArgument if nothing is in PEM form.
absl::StatusOr<std::string> ReadPemFile(const std::string& path);

// A text read line by line, so that a message can name file and line. Holds the whole text.
// Thread-compatible.
class TextFile {
 public:
  // As ReadTextFile.
  static absl::StatusOr<TextFile> Read(const std::string& path, uint64_t max_bytes = kMaxTextBytes);
  // As PlainText; `path` is for messages.
  static absl::StatusOr<TextFile> Parse(absl::string_view bytes, const std::string& path);

  const std::string& path() const { return path_; }
  // The next line without its end; false at the end of the text. Valid as long as the object.
  bool Next(absl::string_view* line);
  // As Next, but skips blank lines and strips white space from both ends.
  bool NextFilled(absl::string_view* line);
  // Number of the line last read, from 1.
  int64_t line() const { return line_; }
  // InvalidArgument "PATH:LINE: what" for the line last read.
  absl::Status Wrong(absl::string_view what) const;

 private:
  TextFile(std::string path, std::string text);
  std::string path_;
  std::string text_;
  size_t position_ = 0;
  int64_t line_ = 0;
};

}  // namespace s2p

#endif  // S2P_BASE_TEXT_FILE_H_
