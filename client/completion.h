// Writes scripts that make a shell complete a program's commands and flags.
#ifndef S2P_CLIENT_COMPLETION_H_
#define S2P_CLIENT_COMPLETION_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace s2p {

// A flag of a command, such as "--split", and the values that may follow it.
struct CompletionFlag {
  std::string name;
  bool takes_value = false;
  // All valid values; if empty, file names are offered.
  std::vector<std::string> choices;
};

// A command with its flags and subcommands. The root is the program; its flags may follow any
// command.
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
