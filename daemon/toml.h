// Reads the part of TOML 1.0 that configuration files of flags need.
#ifndef S2P_DAEMON_TOML_H_
#define S2P_DAEMON_TOML_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace s2p {

// One `key = value` of a file. A plain value.
struct TomlEntry {
  // Name of its table; empty above the first `[table]`.
  std::string table;
  std::string key;
  // The elements of an array, else one value. Numbers and booleans are as written.
  std::vector<std::string> values;
  bool is_array = false;
  // Counts from 1.
  int line = 0;
};

// Reads bare keys, one level of tables, strings ("basic" and 'literal', on one line), whole and
// decimal numbers, booleans, and arrays of these. InvalidArgument names `path`, the line and the
// error, also for a key that is given twice.
//
// Not CLI11's reader: it cuts strings at '#' and ',', skips short lines, takes any line for a
// switch, and has no line numbers.
absl::StatusOr<std::vector<TomlEntry>> ParseToml(absl::string_view text, absl::string_view path);

}  // namespace s2p

#endif  // S2P_DAEMON_TOML_H_
