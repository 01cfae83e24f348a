// Command-line mistakes that the parser would accept as valid values.
#ifndef S2P_BASE_FLAG_WORDS_H_
#define S2P_BASE_FLAG_WORDS_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace s2p {

enum class FlagKind { kUnknown, kSwitch, kTakesValue };

// Classifies a word with its dashes ("--server", "-k") for the program.
using FlagKinds = std::function<FlagKind(absl::string_view)>;

// Describes the first mistake among the words after the program's name, in one sentence; empty if
// there is no mistake. Mistakes are a forgotten value, which makes the next flag look like it
// ("--server --trainer HOST:PORT"), an empty value ("--server="), and a long flag with one dash
// ("-server"). Everything after "--" is a value.
std::string MisplacedFlag(const std::vector<std::string>& words, const FlagKinds& kind_of);

// Whether the words contain a flag, such as "--version", as a flag and not as another flag's value.
bool HasFlag(const std::vector<std::string>& words, absl::string_view flag,
             const FlagKinds& kind_of);

}  // namespace s2p

#endif  // S2P_BASE_FLAG_WORDS_H_
