// The command that prints a completion script, made from the tree that also parses the command
// line.
#include <algorithm>
#include <iostream>
#include <memory>

#include "base/status_macros.h"
#include "client/commands/command_line.h"
#include "client/completion.h"

namespace s2p {
namespace {

CompletionFlag FlagOf(const CLI::Option& option, const std::string& name) {
  CompletionFlag flag;
  flag.name = "--" + name;
  flag.takes_value = option.get_items_expected_max() > 0;
  // CLI11's membership check describes itself as {a,b,c}.
  const std::string type = option.get_type_name() + option.get_description();
  const size_t begin = type.find('{'), end = type.find('}', begin);
  if (begin == std::string::npos || end == std::string::npos) return flag;
  flag.choices = CLI::detail::split(type.substr(begin + 1, end - begin - 1), ',');
  return flag;
}

CompletionCommand TreeOf(const CLI::App& app) {
  CompletionCommand command;
  command.name = app.get_name();
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) {
      command.flags.push_back(FlagOf(*option, name));
    }
  }
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; })) {
    command.commands.push_back(TreeOf(*sub));
  }
  return command;
}

}  // namespace

void AddCompletionCommand(CLI::App& app, Command& command) {
  auto shell = std::make_shared<std::string>();
  CLI::App* completion =
      app.add_subcommand("completion", "Print a script that makes a shell complete s2p commands");
  completion->add_option("SHELL", *shell, "bash or zsh")->required();
  completion->footer(
      "Examples:\n"
      "  source <(s2p completion bash)                  in ~/.bashrc, to keep it\n"
      "  source <(s2p completion zsh)");
  completion->callback([&app, &command, shell] {
    command.local = [&app, shell] {
      CompletionCommand program = TreeOf(app);
      program.name = "s2p";
      S2P_ASSIGN_OR_RETURN(auto script, CompletionScript(program, *shell));
      std::cout << script;
      return absl::OkStatus();
    };
  });
}

}  // namespace s2p
