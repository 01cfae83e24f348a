#include "trainer/data/csv.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"

namespace s2p {

absl::StatusOr<CsvReader> CsvReader::Open(const std::string& path) {
  S2P_ASSIGN_OR_RETURN(auto file, TextFile::Read(path));
  return CsvReader(std::move(file));
}

absl::Status CsvReader::Wrong(absl::string_view what) const {
  return absl::InvalidArgumentError(absl::StrCat(path(), ":", line_, ": ", what));
}

// `rest` begins after the opening quote and is left after the closing one, perhaps lines later.
absl::Status CsvReader::ReadQuoted(absl::string_view* rest, std::string* field) {
  while (true) {
    const size_t quote = rest->find('"');
    if (quote == absl::string_view::npos) {
      absl::StrAppend(field, *rest, "\n");
      if (!file_.Next(rest)) return Wrong("a quote is opened and never closed");
      continue;
    }
    absl::StrAppend(field, rest->substr(0, quote));
    rest->remove_prefix(quote + 1);
    if (!absl::ConsumePrefix(rest, "\"")) return absl::OkStatus();
    field->push_back('"');
  }
}

absl::StatusOr<bool> CsvReader::Next(std::vector<std::string>* fields) {
  fields->clear();
  absl::string_view rest;
  do {
    if (!file_.Next(&rest)) return false;
    // Spreadsheets leave rows without content behind.
  } while (rest.find_first_not_of(", \t") == absl::string_view::npos);
  line_ = file_.line();
  while (true) {
    std::string& field = fields->emplace_back();
    if (absl::ConsumePrefix(&rest, "\"")) {
      S2P_RETURN_IF_ERROR(ReadQuoted(&rest, &field));
      if (rest.find_first_not_of(" \t") == absl::string_view::npos) return true;
      if (rest.front() != ',') {
        return Wrong(absl::StrCat("field ", fields->size(), " has text after its closing quote"));
      }
    } else {
      const size_t comma = std::min(rest.find(','), rest.size());
      field = std::string(rest.substr(0, comma));
      if (absl::StrContains(field, '"')) {
        return Wrong(absl::StrCat("field ", fields->size(), " has a quote but is not quoted"));
      }
      rest.remove_prefix(comma);
      if (rest.empty()) field.resize(field.find_last_not_of(" \t") + 1);
    }
    if (!absl::ConsumePrefix(&rest, ",")) return true;
  }
}

}  // namespace s2p
