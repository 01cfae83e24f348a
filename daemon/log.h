// The log: one line per event on stderr, for people or (as JSON) for machines.
#ifndef S2P_DAEMON_LOG_H_
#define S2P_DAEMON_LOG_H_

#include <cstdint>
#include <ostream>
#include <string>
#include <type_traits>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"

namespace s2p {

class Options;

struct LogOptions {
  // "human": `2026-01-02T03:04:05.678Z INFO  serving version=3`; "json": one object per line with
  // time, level, message and the fields.
  std::string format = "human";
  // "debug", "info", "warning" or "error"; lines below this level are dropped.
  std::string level = "info";
};

// Adds --log-format and --log-level.
void AddLogOptions(Options* options, LogOptions* log_options);

// One named value of an event. Names are lower case with underscores; a number has its unit in its
// name (`bytes`, `seconds`), as in metrics. Immutable.
class LogField {
 public:
  LogField(absl::string_view key, absl::string_view value);
  LogField(absl::string_view key, const std::string& value)
      : LogField(key, absl::string_view(value)) {}
  LogField(absl::string_view key, const char* value) : LogField(key, absl::string_view(value)) {}
  LogField(absl::string_view key, bool value);
  LogField(absl::string_view key, double value);
  LogField(absl::string_view key, absl::Duration value);
  LogField(absl::string_view key, const absl::Status& value);
  template <typename T,
            std::enable_if_t<std::is_integral_v<T> && !std::is_same_v<T, bool>, int> = 0>
  LogField(absl::string_view key, T value)
      : LogField(key, std::to_string(value), /*quote=*/false) {}

  // A list of texts.
  static LogField List(absl::string_view key, absl::Span<const std::string> values);

  const std::string& key() const { return key_; }
  const std::string& text() const { return text_; }
  // Whether JSON shows it as a string.
  bool quote() const { return quote_; }

 private:
  LogField(absl::string_view key, std::string text, bool quote);
  std::string key_;
  std::string text_;
  bool quote_;
};

// The fields as one JSON object, without a line end; bytes that are not UTF-8 become U+FFFD.
std::string JsonObject(absl::Span<const LogField> fields);

// Sets format and level of all later lines. InvalidArgument names an option with an unknown value.
// Until the first call: human, info. Not safe while other threads log: call it early in main.
absl::Status ConfigureLog(const LogOptions& options);
// As above, but writes to `stream`, which is borrowed until the next call. For tests.
absl::Status ConfigureLog(const LogOptions& options, std::ostream* stream);

// Thread-safe; each line is written whole. Never with keys, passwords or image bytes.
//   LogInfo("adopted checkpoint", {{"version", 3}, {"took", absl::Seconds(2)}});
void LogDebug(absl::string_view message, absl::Span<const LogField> fields = {});
void LogInfo(absl::string_view message, absl::Span<const LogField> fields = {});
void LogWarning(absl::string_view message, absl::Span<const LogField> fields = {});
void LogError(absl::string_view message, absl::Span<const LogField> fields = {});

}  // namespace s2p

#endif  // S2P_DAEMON_LOG_H_
