#include "daemon/toml.h"

#include <optional>
#include <set>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/status_macros.h"

namespace s2p {
namespace {

bool IsBare(char c) { return absl::ascii_isalnum(c) || c == '_' || c == '-'; }

// A cursor over the text. Every Read… either advances and returns, or fills `error`.
class Reader {
 public:
  Reader(absl::string_view text, absl::string_view path) : rest_(text), path_(path) {}

  absl::StatusOr<std::vector<TomlEntry>> Read() {
    std::vector<TomlEntry> entries;
    std::set<std::pair<std::string, std::string>> seen;
    std::set<std::string> tables;
    std::string table;
    while (SkipBlank(/*newlines=*/true), !rest_.empty()) {
      if (Take('[')) {
        if (Peek() == '[') return Error("arrays of tables are not supported");
        std::optional<std::string> name = ReadBare();
        if (!name || !Take(']')) return Error("expected a table: [name]");
        if (!tables.insert(*name).second) return Error("table [", *name, "] is given twice");
        table = *name;
      } else {
        TomlEntry entry;
        entry.table = table;
        entry.line = line_;
        S2P_RETURN_IF_ERROR(ReadEntry(&entry));
        if (!seen.emplace(entry.table, entry.key).second) {
          return Error("key '", entry.key, "' is given twice");
        }
        entries.push_back(std::move(entry));
      }
      SkipBlank(/*newlines=*/false);
      if (!rest_.empty() && Peek() != '\n') return Error("unexpected text after the value");
    }
    return entries;
  }

 private:
  template <typename... Parts>
  absl::Status Error(const Parts&... parts) const {
    return absl::InvalidArgumentError(absl::StrCat(path_, ":", line_, ": ", parts...));
  }

  char Peek() const { return rest_.empty() ? '\0' : rest_.front(); }

  void Advance() {
    if (rest_.front() == '\n') ++line_;
    rest_.remove_prefix(1);
  }

  bool Take(char c) {
    SkipBlank(/*newlines=*/false);
    if (Peek() != c || rest_.empty()) return false;
    Advance();
    return true;
  }

  // Skips spaces and comments, and line ends if `newlines`.
  void SkipBlank(bool newlines) {
    while (!rest_.empty()) {
      const char c = rest_.front();
      if (c == '#') {
        while (!rest_.empty() && rest_.front() != '\n') Advance();
      } else if (c == ' ' || c == '\t' || c == '\r' || (c == '\n' && newlines)) {
        Advance();
      } else {
        return;
      }
    }
  }

  std::optional<std::string> ReadBare() {
    SkipBlank(/*newlines=*/false);
    std::string name;
    while (IsBare(Peek())) {
      name.push_back(Peek());
      Advance();
    }
    if (name.empty()) return std::nullopt;
    return name;
  }

  absl::Status ReadEntry(TomlEntry* entry) {
    std::optional<std::string> key = ReadBare();
    if (!key) return Error("expected key = value");
    if (!Take('=')) return Error("expected '=' after '", *key, "'");
    entry->key = *key;
    if (!Take('[')) return ReadValue(&entry->values);
    entry->is_array = true;
    while (true) {
      SkipBlank(/*newlines=*/true);
      if (Take(']')) return absl::OkStatus();
      S2P_RETURN_IF_ERROR(ReadValue(&entry->values));
      SkipBlank(/*newlines=*/true);
      if (!Take(',') && Peek() != ']')
        return Error("expected ',' or ']' in the array of '", *key, "'");
    }
  }

  absl::Status ReadValue(std::vector<std::string>* values) {
    SkipBlank(/*newlines=*/false);
    if (Peek() == '"' || Peek() == '\'') return ReadString(values);
    std::string token;
    while (IsBare(Peek()) || Peek() == '.' || Peek() == '+') {
      token.push_back(Peek());
      Advance();
    }
    const std::string number = absl::StrReplaceAll(token, {{"_", ""}});
    double ignored = 0;
    if (token == "true" || token == "false") {
      values->push_back(token);
    } else if (!number.empty() && absl::SimpleAtod(number, &ignored)) {
      values->push_back(number);
    } else {
      return Error("expected a number, true, false or a text in quotes",
                   token.empty() ? "" : ", found ", token);
    }
    return absl::OkStatus();
  }

  absl::Status ReadString(std::vector<std::string>* values) {
    const char quote = Peek();
    Advance();
    std::string text;
    while (!rest_.empty() && Peek() != quote && Peek() != '\n') {
      char c = Peek();
      Advance();
      if (c == '\\' && quote == '"') {
        const char escaped = Peek();
        constexpr absl::string_view kNames = "\"\\nrt";
        constexpr absl::string_view kMeanings = "\"\\\n\r\t";
        const size_t index = kNames.find(escaped);
        if (rest_.empty() || index == absl::string_view::npos) {
          return Error("unknown escape in a text; use 'single quotes' for backslashes");
        }
        Advance();
        c = kMeanings[index];
      }
      text.push_back(c);
    }
    if (Peek() != quote || rest_.empty()) return Error("text without closing quote");
    Advance();
    values->push_back(std::move(text));
    return absl::OkStatus();
  }

  absl::string_view rest_;
  const absl::string_view path_;
  int line_ = 1;
};

}  // namespace

absl::StatusOr<std::vector<TomlEntry>> ParseToml(absl::string_view text, absl::string_view path) {
  return Reader(text, path).Read();
}

}  // namespace s2p
