// A text file read line by line, such that a message can name file and line.
#ifndef S2P_TRAINER_TEXT_FILE_H_
#define S2P_TRAINER_TEXT_FILE_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace s2p {

// Holds the whole file. Thread-compatible.
class TextFile {
 public:
  // 256 MiB; the largest of a published data set has 25 MiB.
  static constexpr uint64_t kMaxBytes = uint64_t{1} << 28;

  // NotFound if there is none; InvalidArgument if it is longer than kMaxBytes or has a NUL.
  static absl::StatusOr<TextFile> Read(const std::string& path);

  const std::string& path() const { return path_; }
  // The next line without its end (\n or \r\n) and, for the first, without a byte order mark;
  // false at the end of the file. Valid as long as the object.
  bool Next(absl::string_view* line);
  // As Next, but passes over lines of nothing but white space and strips it from the ends.
  bool NextFilled(absl::string_view* line);
  // Of the line last read, from 1.
  int64_t line() const { return line_; }
  // InvalidArgument "FILE:LINE: what" for the line last read.
  absl::Status Wrong(absl::string_view what) const;

 private:
  TextFile(std::string path, std::string text);
  std::string path_;
  std::string text_;
  size_t position_ = 0;
  int64_t line_ = 0;
};

}  // namespace s2p

#endif  // S2P_TRAINER_TEXT_FILE_H_
