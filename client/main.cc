// s2p: the command line of sketch2photo.
#include <CLI/CLI.hpp>
#include <cctype>
#include <functional>
#include <iostream>
#include <iterator>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "client/clean_text.h"
#include "client/colour.h"
#include "client/command_line.h"
#include "daemon/text_file.h"

namespace s2p {
namespace {

// Every long flag is also S2P_<NAME>, as --api-key is S2P_API_KEY, and a key of --config's file.
void NameEnvironment(CLI::App& app) {
  for (CLI::Option* option : app.get_options()) {
    if (option->get_lnames().empty() || option->get_lnames()[0] == "help") continue;
    std::string name = "S2P_";
    for (const char c : option->get_lnames()[0]) {
      name.push_back(c == '-' ? '_' : static_cast<char>(std::toupper(c)));
    }
    option->envname(name);
  }
  for (CLI::App* command : app.get_subcommands([](CLI::App*) { return true; })) {
    NameEnvironment(*command);
  }
}

// Reads what --config names as all text that people edit; the rest is CLI11's.
class PlainConfig : public CLI::ConfigTOML {
 public:
  // `app` lives longer.
  explicit PlainConfig(const CLI::App* app) : app_(app) {}

  std::vector<CLI::ConfigItem> from_config(std::istream& input) const override {
    const std::string bytes(std::istreambuf_iterator<char>(input), {});
    const std::vector<std::string> paths = app_->get_config_ptr()->results();
    const auto text = PlainText(bytes, paths.empty() ? "--config" : paths.front());
    if (!text.ok()) throw CLI::FileError(std::string(text.status().message()));
    std::istringstream plain(*text);
    return CLI::ConfigTOML::from_config(plain);
  }

 private:
  const CLI::App* const app_;
};

void AddConnection(CLI::App& app, Connection& connection) {
  ClientOptions& options = connection.options;
  app.add_option("--server", options.server,
                 "Address of s2p-server, HOST:PORT; of the trainer for train, there by default "
                 "127.0.0.1:50052")
      ->capture_default_str();
  app.add_option("--tls-ca", options.tls_ca, "PEM file of the authority to trust; turns TLS on");
  app.add_option("--tls-cert", options.tls_cert, "PEM file of our certificate");
  app.add_option("--tls-key", options.tls_key, "PEM file of our key");
  app.add_option("--api-key", options.api_key, "Key that the server asks for");
  app.add_option("--timeout", connection.timeout_seconds, "Deadline of a call in seconds")
      ->check(CLI::Range(0.001, 86400.0))
      ->capture_default_str();
  app.set_config("--config", "", "TOML file: these flags, and a [section] for each command's");
  app.config_formatter(std::make_shared<PlainConfig>(&app));
  app.allow_config_extras(CLI::config_extras_mode::error);
}

template <typename Client>
absl::Status RunWith(const ClientOptions& options,
                     const std::function<absl::Status(const Client&)>& run) {
  const auto client = Client::Create(options);
  return client.ok() ? run(**client) : client.status();
}

absl::Status RunChosen(const CLI::App& app, Connection& connection, const Command& command) {
  if (command.local) return command.local();
  connection.options.timeout = absl::Seconds(connection.timeout_seconds);
  if (!command.train) return RunWith(connection.options, command.search);
  if (app.get_option("--server")->count() == 0) connection.options.server = kDefaultTrainer;
  return RunWith(connection.options, command.train);
}

int Run(int argc, char** argv) {
  CLI::App app(
      "Search photos by sketch. Every flag is also an environment variable (--server is "
      "S2P_SERVER, "
      "--api-key is S2P_API_KEY) and a key of the TOML file that --config names.");
  app.require_subcommand(1);
  app.fallthrough();
  Connection connection;
  Command command;
  AddConnection(app, connection);
  AddSearchCommands(app, connection, command);
  AddServerCommands(app, command);
  AddTrainCommands(app, command);
  AddCompletionCommand(app, command);
  NameEnvironment(app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }

  absl::Status status = RunChosen(app, connection, command);
  std::cout.flush();
  if (status.ok() && std::cout.fail()) status = absl::DataLossError("standard output is closed");
  if (status.ok()) return 0;
  std::cerr << (WantsColour(std::cerr) ? Red("s2p:") : "s2p:") << " " << Printable(status.message())
            << " (" << absl::StatusCodeToString(status.code()) << ")\n";
  return 1;
}

}  // namespace
}  // namespace s2p

int main(int argc, char** argv) { return s2p::Run(argc, argv); }
