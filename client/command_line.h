// What the words on the command line mean: each function adds commands, with their flags and
// examples, to CLI11's tree. One thread only.
#ifndef S2P_CLIENT_COMMAND_LINE_H_
#define S2P_CLIENT_COMMAND_LINE_H_

#include <CLI/CLI.hpp>
#include <functional>
#include <ostream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "client/commands.h"
#include "client/connection/search_client.h"
#include "client/connection/training_client.h"

namespace s2p {

struct Connection {
  ClientOptions options;
  double timeout_seconds = 30;
};

// The command that was chosen: one of these, to be run with a connected client, or by itself. Set
// when CLI11 has parsed; the App, Connection and Command outlive what is added to them.
struct Command {
  std::function<absl::Status(const SearchClient&)> search;
  std::function<absl::Status(const TrainingClient&)> train;
  std::function<absl::Status()> local;
};

// search, eval, bench.
void AddSearchCommands(CLI::App& app, Connection& connection, Command& command);
// gallery and model, with what they can do.
void AddServerCommands(CLI::App& app, Command& command);
// train, with what it can do.
void AddTrainCommands(CLI::App& app, Command& command);
// completion: prints a script that makes a shell complete all commands and flags of `app`.
void AddCompletionCommand(CLI::App& app, Command& command);

// A flag that takes one value each time it stands there, so that it never swallows a positional.
inline CLI::Option* AddRepeated(CLI::App& app, const std::string& name,
                                std::vector<std::string>& values, const std::string& description) {
  return app.add_option(name, values, description)->allow_extra_args(false);
}

}  // namespace s2p

#endif  // S2P_CLIENT_COMMAND_LINE_H_
