// The command line's definition: each function adds commands, with their flags and examples, to
// CLI11's tree. One thread only.
#ifndef S2P_CLIENT_COMMANDS_COMMAND_LINE_H_
#define S2P_CLIENT_COMMANDS_COMMAND_LINE_H_

#include <CLI/CLI.hpp>
#include <functional>
#include <ostream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "client/commands/commands.h"
#include "client/connection/feedback_client.h"
#include "client/connection/search_client.h"
#include "client/connection/training_client.h"

namespace s2p {

struct Connection {
  ClientOptions options;
  double timeout_seconds = 30;
};

// The chosen command: exactly one of these, which runs with a connected client or without one. Set
// once CLI11 has parsed; the App, Connection and Command must outlive everything added to them.
struct Command {
  std::function<absl::Status(const SearchClient&)> search;
  std::function<absl::Status(const TrainingClient&)> train;
  std::function<absl::Status(const FeedbackClient&)> feedback;
  std::function<absl::Status()> local;
};

// Adds search, eval and bench.
void AddSearchCommands(CLI::App& app, Connection& connection, Command& command);
// Adds gallery and model with their subcommands.
void AddServerCommands(CLI::App& app, Command& command);
// Adds train with its subcommands.
void AddTrainCommands(CLI::App& app, Command& command);
// Adds feedback with its subcommands.
void AddFeedbackCommands(CLI::App& app, Command& command);
// Adds keys with its subcommands.
void AddKeyCommands(CLI::App& app, Command& command);
// Adds completion, which prints a script for a shell to complete all commands and flags of `app`.
void AddCompletionCommand(CLI::App& app, Command& command);

// Adds a repeatable flag that takes one value at a time, so that it never swallows a positional.
inline CLI::Option* AddRepeated(CLI::App& app, const std::string& name,
                                std::vector<std::string>& values, const std::string& description) {
  return app.add_option(name, values, description)->allow_extra_args(false);
}

}  // namespace s2p

#endif  // S2P_CLIENT_COMMANDS_COMMAND_LINE_H_
