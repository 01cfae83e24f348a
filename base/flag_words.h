// Slips on a command line that its parser would take at their word.
#ifndef S2P_BASE_FLAG_WORDS_H_
#define S2P_BASE_FLAG_WORDS_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace s2p {

enum class FlagKind { kUnknown, kSwitch, kTakesValue };

// Tells what a word with its dashes ("--server", "-k") means to the program.
using FlagKinds = std::function<FlagKind(absl::string_view)>;

// A sentence about the first slip among the words that follow the program's name, empty if there is
// none: a flag whose value was forgotten, so that the next flag would be taken for it ("--server
// --trainer HOST:PORT"), an empty one ("--server="), and a long flag with one dash ("-server").
// Everything after "--" is a value.
std::string MisplacedFlag(const std::vector<std::string>& words, const FlagKinds& kind_of);

// Whether a flag, such as "--version", stands among the words as a flag, not as another one's
// value.
bool HasFlag(const std::vector<std::string>& words, absl::string_view flag,
             const FlagKinds& kind_of);

}  // namespace s2p

#endif  // S2P_BASE_FLAG_WORDS_H_
