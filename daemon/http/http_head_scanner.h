// The strict reading of a request's head, before a parser sees it.
#ifndef S2P_DAEMON_HTTP_HTTP_HEAD_SCANNER_H_
#define S2P_DAEMON_HTTP_HTTP_HEAD_SCANNER_H_

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace s2p {

// A plain value.
struct HttpHeadLimits {
  // The bytes of the target in the request line.
  size_t max_target_bytes = 8192;
  // The bytes of request line and headers together.
  size_t max_head_bytes = size_t{32} << 10;
  size_t max_headers = 100;
};

// Finds the end of one request's head among bytes that arrive in any portions, and refuses at the
// first byte that is too much, or that servers and proxies read differently: a line that ends
// without CR LF, a header that continues on the next line, a control character. Each byte is looked
// at once. Thread-compatible.
class HttpHeadScanner {
 public:
  enum class Progress { kMore, kComplete, kRefused };

  explicit HttpHeadScanner(const HttpHeadLimits& limits) : limits_(limits) {}

  // Continues with the next bytes, up to the end of the head. Not called after kComplete or
  // kRefused.
  Progress Scan(absl::string_view bytes);

  // Bytes scanned; after kComplete the length of the head with its empty line.
  size_t length() const { return length_; }
  // After kRefused: the status 400, 414 or 431, and a sentence.
  int status() const { return status_; }
  const std::string& message() const { return message_; }

 private:
  Progress ScanByte(unsigned char byte);
  Progress EndLine();
  Progress Refuse(int status, std::string message);

  const HttpHeadLimits limits_;
  size_t length_ = 0;
  // Complete lines, the request line included, and empty lines before it.
  size_t lines_ = 0;
  size_t empty_lines_ = 0;
  size_t line_bytes_ = 0;
  // Spaces of the request line so far, and bytes of its target.
  size_t spaces_ = 0;
  size_t target_bytes_ = 0;
  bool after_return_ = false;
  int status_ = 0;
  std::string message_;
};

}  // namespace s2p

#endif  // S2P_DAEMON_HTTP_HTTP_HEAD_SCANNER_H_
