#include "daemon/log.h"

#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <cmath>
#include <memory>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "base/utf8.h"
#include "daemon/options.h"

namespace s2p {
namespace {

// Backslash escapes as in JSON; bytes that are not UTF-8 become U+FFFD. Thus a line stays one line
// whatever a client sends.
std::string Escape(absl::string_view text) {
  std::string escaped;
  for (size_t i = 0; i < text.size();) {
    const size_t length = FirstCharacter(text.substr(i)).bytes;
    const char c = text[i];
    if (length == 0) {
      escaped += "\xEF\xBF\xBD";
    } else if (length > 1) {
      escaped.append(text.data() + i, length);
    } else if (c == '"' || c == '\\') {
      escaped += '\\';
      escaped += c;
    } else if (c == '\n') {
      escaped += "\\n";
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      absl::StrAppendFormat(&escaped, "\\u%04x", static_cast<unsigned>(c));
    } else {
      escaped += c;
    }
    i += length == 0 ? 1 : length;
  }
  return escaped;
}

std::string Quote(absl::string_view text) { return absl::StrCat("\"", Escape(text), "\""); }

bool NeedsQuotes(absl::string_view text) {
  return text.empty() || text.find_first_of(" =\"\\") != absl::string_view::npos ||
         Escape(text) != text;
}

std::string HumanLine(absl::string_view message, absl::Span<const LogField> fields) {
  std::string line = Escape(message);
  for (const LogField& field : fields) {
    absl::StrAppend(&line, " ", field.key(), "=",
                    NeedsQuotes(field.text()) ? Quote(field.text()) : field.text());
  }
  return line;
}

std::string JsonMember(const LogField& field) {
  return absl::StrCat(Quote(field.key()), ":", field.quote() ? Quote(field.text()) : field.text());
}

std::string JsonLine(absl::string_view message, absl::Span<const LogField> fields) {
  std::string line = absl::StrCat("\"message\":", Quote(message));
  for (const LogField& field : fields) absl::StrAppend(&line, ",", JsonMember(field));
  return line;
}

struct Log {
  bool json = false;
  std::unique_ptr<spdlog::logger> logger;
};

spdlog::level::level_enum LevelOf(absl::string_view name) {
  if (name == "debug") return spdlog::level::debug;
  if (name == "warning") return spdlog::level::warn;
  if (name == "error") return spdlog::level::err;
  return spdlog::level::info;
}

Log MakeLog(const LogOptions& options, std::ostream* stream) {
  Log log;
  log.json = options.format == "json";
  spdlog::sink_ptr sink;
  if (stream == nullptr) {
    sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  } else {
    sink = std::make_shared<spdlog::sinks::ostream_sink_mt>(*stream, /*force_flush=*/true);
  }
  log.logger = std::make_unique<spdlog::logger>("s2p", std::move(sink));
  log.logger->set_formatter(std::make_unique<spdlog::pattern_formatter>(
      log.json ? R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l",%v})"
               : "%Y-%m-%dT%H:%M:%S.%eZ %-7l %v",
      spdlog::pattern_time_type::utc));
  log.logger->set_level(LevelOf(options.level));
  return log;
}

// The only state shared by the whole process; never destroyed, so that threads may log while the
// process ends.
Log& TheLog() {
  static Log& log = *new Log(MakeLog(LogOptions(), nullptr));
  return log;
}

void Write(spdlog::level::level_enum level, absl::string_view message,
           absl::Span<const LogField> fields) {
  Log& log = TheLog();
  if (!log.logger->should_log(level)) return;
  const std::string line = log.json ? JsonLine(message, fields) : HumanLine(message, fields);
  log.logger->log(level, spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace

LogField::LogField(absl::string_view key, std::string text, bool quote)
    : key_(key), text_(std::move(text)), quote_(quote) {}
LogField::LogField(absl::string_view key, absl::string_view value)
    : LogField(key, std::string(value), /*quote=*/true) {}
LogField::LogField(absl::string_view key, bool value)
    : LogField(key, std::string(value ? "true" : "false"), /*quote=*/false) {}
LogField::LogField(absl::string_view key, double value)
    : LogField(key, absl::StrCat(value), /*quote=*/!std::isfinite(value)) {}
LogField::LogField(absl::string_view key, absl::Duration value)
    : LogField(key, absl::FormatDuration(value), /*quote=*/true) {}
LogField::LogField(absl::string_view key, const absl::Status& value)
    : LogField(key, value.ToString(), /*quote=*/true) {}

LogField LogField::List(absl::string_view key, absl::Span<const std::string> values) {
  const auto quote = [](std::string* out, const std::string& value) {
    absl::StrAppend(out, Quote(value));
  };
  return LogField(key, absl::StrCat("[", absl::StrJoin(values, ",", quote), "]"), /*quote=*/false);
}

std::string JsonObject(absl::Span<const LogField> fields) {
  const auto member = [](std::string* out, const LogField& field) {
    absl::StrAppend(out, JsonMember(field));
  };
  return absl::StrCat("{", absl::StrJoin(fields, ",", member), "}");
}

void AddLogOptions(Options* options, LogOptions* log_options) {
  options->Add("log-format", &log_options->format, "form of the log on stderr")
      .OneOf({"human", "json"});
  options->Add("log-level", &log_options->level, "what is below it is not logged")
      .OneOf({"debug", "info", "warning", "error"});
}

absl::Status ConfigureLog(const LogOptions& options) { return ConfigureLog(options, nullptr); }

absl::Status ConfigureLog(const LogOptions& options, std::ostream* stream) {
  if (options.format != "human" && options.format != "json") {
    return absl::InvalidArgumentError(
        absl::StrCat("log format '", options.format, "' is neither human nor json"));
  }
  if (options.level != "info" && LevelOf(options.level) == spdlog::level::info) {
    return absl::InvalidArgumentError(
        absl::StrCat("log level '", options.level, "' is none of debug, info, warning, error"));
  }
  TheLog() = MakeLog(options, stream);
  return absl::OkStatus();
}

void LogDebug(absl::string_view message, absl::Span<const LogField> fields) {
  Write(spdlog::level::debug, message, fields);
}

void LogInfo(absl::string_view message, absl::Span<const LogField> fields) {
  Write(spdlog::level::info, message, fields);
}

void LogWarning(absl::string_view message, absl::Span<const LogField> fields) {
  Write(spdlog::level::warn, message, fields);
}

void LogError(absl::string_view message, absl::Span<const LogField> fields) {
  Write(spdlog::level::err, message, fields);
}

}  // namespace s2p
