#include "base/flag_words.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace s2p {
namespace {

absl::string_view NameIn(absl::string_view word) { return word.substr(0, word.find('=')); }

// True for "-server" in a program that has --server.
bool LacksADash(absl::string_view word, const FlagKinds& kind_of) {
  return word.size() > 2 && word[0] == '-' && word[1] != '-' &&
         kind_of(absl::StrCat("-", NameIn(word))) != FlagKind::kUnknown;
}

// Calls `see` with each flag and the word after it, null at the end and for a switch, until it
// returns true.
void ForEachFlag(const std::vector<std::string>& words, const FlagKinds& kind_of,
                 const std::function<bool(const std::string&, const std::string*)>& see) {
  for (size_t i = 0; i < words.size() && words[i] != "--"; ++i) {
    if (!absl::StartsWith(words[i], "-")) continue;
    const bool takes_next = kind_of(words[i]) == FlagKind::kTakesValue && i + 1 < words.size();
    if (see(words[i], takes_next ? &words[i + 1] : nullptr)) return;
    if (takes_next) ++i;
  }
}

}  // namespace

std::string MisplacedFlag(const std::vector<std::string>& words, const FlagKinds& kind_of) {
  std::string mistake;
  ForEachFlag(words, kind_of, [&](const std::string& word, const std::string* value) {
    if (LacksADash(word, kind_of)) {
      mistake = absl::StrCat("there is no flag ", word, "; flags have two dashes: -", word);
    } else if (NameIn(word).size() + 1 == word.size() &&
               kind_of(NameIn(word)) == FlagKind::kTakesValue) {
      mistake = absl::StrCat(NameIn(word), " has no value: '' follows the =");
    } else if (value != nullptr &&
               (absl::StartsWith(*value, "--") || LacksADash(*value, kind_of))) {
      mistake =
          absl::StrCat(word, " has no value: ", *value, " follows, which is a flag; if it is ",
                       "the value, write ", word, "=", *value);
    }
    return !mistake.empty();
  });
  return mistake;
}

bool HasFlag(const std::vector<std::string>& words, absl::string_view flag,
             const FlagKinds& kind_of) {
  bool found = false;
  ForEachFlag(words, kind_of, [&](const std::string& word, const std::string*) {
    found = word == flag;
    return found;
  });
  return found;
}

}  // namespace s2p
