// Scripts that make a shell complete a program's commands and flags.
#ifndef S2P_CLIENT_COMPLETION_H_
#define S2P_CLIENT_COMPLETION_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace s2p {

// A word that stands after a command: "--split" and what may follow it.
struct CompletionFlag {
  std::string name;
  bool takes_value = false;
  // The values, where there are only these; else file names are offered.
  std::vector<std::string> choices;
};

// A command with its flags and its own commands. The root is the program; its flags may stand after
// every command.
struct CompletionCommand {
  std::string name;
  std::vector<CompletionFlag> flags;
  std::vector<CompletionCommand> commands;
};

// `shell` is "bash" or "zsh", else InvalidArgument. Names hold letters, digits, dashes and
// underscores.
absl::StatusOr<std::string> CompletionScript(const CompletionCommand& program,
                                             const std::string& shell);

}  // namespace s2p

#endif  // S2P_CLIENT_COMPLETION_H_
