// Comma-separated values as RFC 4180 has them.
#ifndef S2P_TRAINER_DATA_CSV_H_
#define S2P_TRAINER_DATA_CSV_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/text_file.h"

namespace s2p {

// Reads a file row by row: fields between commas, each plain or in double quotes; within quotes
// commas, line ends, and a quote written twice. Rows without content are passed over, also those of
// commas alone that spreadsheets write. Blanks belong to the field, except at the end of a line.
// Thread-compatible.
class CsvReader {
 public:
  // As TextFile::Read.
  static absl::StatusOr<CsvReader> Open(const std::string& path);

  // Replaces `fields` by those of the next row; false after the last. InvalidArgument with file and
  // line for a quote within a plain field, something other than a comma after a closing quote, or a
  // quote that is never closed.
  absl::StatusOr<bool> Next(std::vector<std::string>* fields);

  const std::string& path() const { return file_.path(); }
  // On which the row last read begins, from 1.
  int64_t line() const { return line_; }
  // InvalidArgument "FILE:LINE: what" for the row last read.
  absl::Status Wrong(absl::string_view what) const;

 private:
  explicit CsvReader(TextFile file) : file_(std::move(file)) {}
  absl::Status ReadQuoted(absl::string_view* rest, std::string* field);
  TextFile file_;
  int64_t line_ = 0;
};

}  // namespace s2p

#endif  // S2P_TRAINER_DATA_CSV_H_
