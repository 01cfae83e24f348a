// Commands that programs print for people to run.
#ifndef S2P_TRAINER_PROGRAM_SHELL_WORD_H_
#define S2P_TRAINER_PROGRAM_SHELL_WORD_H_

#include <string>

#include "absl/strings/string_view.h"

namespace s2p {

// The text as one word of a POSIX shell: as it is where it has only letters, digits and signs that
// mean nothing to a shell, else in single quotes. Thread-safe.
std::string ShellWord(absl::string_view text);

}  // namespace s2p

#endif  // S2P_TRAINER_PROGRAM_SHELL_WORD_H_
