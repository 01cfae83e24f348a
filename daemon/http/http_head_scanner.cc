#include "daemon/http/http_head_scanner.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace s2p {
namespace {

// Old clients send an empty line after a body.
constexpr size_t kMaxEmptyLines = 1;

}  // namespace

HttpHeadScanner::Progress HttpHeadScanner::Scan(absl::string_view bytes) {
  for (const char byte : bytes) {
    ++length_;
    const Progress progress = ScanByte(static_cast<unsigned char>(byte));
    if (progress != Progress::kMore) return progress;
  }
  return Progress::kMore;
}

HttpHeadScanner::Progress HttpHeadScanner::ScanByte(unsigned char byte) {
  if (length_ > limits_.max_head_bytes) {
    return Refuse(431, absl::StrCat("the request's headers have more than ", limits_.max_head_bytes,
                                    " bytes"));
  }
  if (after_return_) {
    after_return_ = false;
    return byte == '\n' ? EndLine() : Refuse(400, "a line of the head does not end with CR LF");
  }
  if (byte == '\r') {
    after_return_ = true;
    return Progress::kMore;
  }
  if (byte == '\n') return Refuse(400, "a line of the head does not end with CR LF");
  if ((byte < 0x20 && byte != '\t') || byte == 0x7f) {
    return Refuse(400, "the head of the request has a control character");
  }
  if (line_bytes_ == 0 && lines_ > 0 && (byte == ' ' || byte == '\t')) {
    return Refuse(400, "a header continues on the next line");
  }
  ++line_bytes_;
  if (lines_ > 0) return Progress::kMore;
  if (byte == ' ') {
    ++spaces_;
  } else if (spaces_ == 1 && ++target_bytes_ > limits_.max_target_bytes) {
    return Refuse(414,
                  absl::StrCat("the address has more than ", limits_.max_target_bytes, " bytes"));
  }
  return Progress::kMore;
}

HttpHeadScanner::Progress HttpHeadScanner::EndLine() {
  if (line_bytes_ == 0) {
    if (lines_ > 0) return Progress::kComplete;
    return ++empty_lines_ > kMaxEmptyLines ? Refuse(400, "the request begins with empty lines")
                                           : Progress::kMore;
  }
  line_bytes_ = 0;
  // One of the lines is the request line.
  if (++lines_ > limits_.max_headers + 1) {
    return Refuse(431, absl::StrCat("the request has more than ", limits_.max_headers, " headers"));
  }
  return Progress::kMore;
}

HttpHeadScanner::Progress HttpHeadScanner::Refuse(int status, std::string message) {
  status_ = status;
  message_ = std::move(message);
  return Progress::kRefused;
}

}  // namespace s2p
