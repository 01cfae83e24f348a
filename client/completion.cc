#include "client/completion.h"

#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace s2p {
namespace {

// The branches of three `case` statements: the words that lead to a command, the values that follow
// a flag, and the words that may follow a command.
struct Cases {
  std::vector<std::string> paths;
  // Starts with a pattern that matches no word, so that it is never empty.
  std::set<std::string> flags_with_value = {"-"};
  std::string values;
  std::string words;
};

std::string WordsOf(const CompletionCommand& command, const CompletionCommand& program) {
  std::vector<std::string> words;
  for (const CompletionCommand& sub : command.commands) words.push_back(sub.name);
  for (const CompletionFlag& flag : command.flags) words.push_back(flag.name);
  if (&command != &program) {
    for (const CompletionFlag& flag : program.flags) words.push_back(flag.name);
  }
  return absl::StrJoin(words, " ");
}

void Collect(const CompletionCommand& command, const std::string& path,
             const CompletionCommand& program, Cases& cases) {
  if (!path.empty()) cases.paths.push_back(path);
  for (const CompletionFlag& flag : command.flags) {
    if (!flag.takes_value) continue;
    cases.flags_with_value.insert(flag.name);
    // The program's flags may follow any command.
    const std::string pattern = absl::StrCat(
        &command == &program ? "*" : absl::StrCat("'", path, "'"), "' ", flag.name, "'");
    const std::string offer =
        flag.choices.empty() ? std::string("COMPREPLY=($(compgen -f -- \"$cur\"))")
                             : absl::StrCat("COMPREPLY=($(compgen -W '",
                                            absl::StrJoin(flag.choices, " "), "' -- \"$cur\"))");
    absl::StrAppend(&cases.values, "    ", pattern, ") ", offer, "; return ;;\n");
  }
  absl::StrAppend(&cases.words, "    '", path, "') words='", WordsOf(command, program), "' ;;\n");
  for (const CompletionCommand& sub : command.commands) {
    Collect(sub, absl::StrCat(path, "/", sub.name), program, cases);
  }
}

}  // namespace

absl::StatusOr<std::string> CompletionScript(const CompletionCommand& program,
                                             const std::string& shell) {
  if (shell != "bash" && shell != "zsh") {
    return absl::InvalidArgumentError(absl::StrCat("shell: '", shell, "' is neither bash nor zsh"));
  }
  Cases cases;
  Collect(program, "", program, cases);
  const std::string& name = program.name;
  std::string script = absl::StrCat("# Completion of ", name, " for ", shell, ": source <(", name,
                                    " completion ", shell, ")\n");
  // zsh provides bash's completion as a module.
  if (shell == "zsh") absl::StrAppend(&script, "autoload -U +X bashcompinit && bashcompinit\n");
  absl::StrAppend(&script, "_", name, "() {\n",
                  "  local cur=\"${COMP_WORDS[COMP_CWORD]}\" prev=\"${COMP_WORDS[COMP_CWORD-1]}\"\n"
                  "  local at='' words='' i\n"
                  "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
                  "    case \"${COMP_WORDS[i-1]}\" in ",
                  absl::StrJoin(cases.flags_with_value, "|"),
                  ") continue ;; esac\n"
                  "    case \"$at/${COMP_WORDS[i]}\" in\n      '",
                  absl::StrJoin(cases.paths, "'|'"),
                  "') at=\"$at/${COMP_WORDS[i]}\" ;;\n"
                  "    esac\n"
                  "  done\n"
                  "  case \"$at $prev\" in\n",
                  cases.values,
                  "  esac\n"
                  "  case \"$at\" in\n",
                  cases.words,
                  "  esac\n"
                  "  COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
                  "}\n"
                  "complete -o default -F _",
                  name, " ", name, "\n");
  return script;
}

}  // namespace s2p
