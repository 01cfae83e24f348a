// s2p: the command line of sketch2photo.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <iterator>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "base/flag_words.h"
#include "base/standard_streams.h"
#include "base/status_macros.h"
#include "base/text_file.h"
#include "base/utf8.h"
#include "client/colour.h"
#include "client/commands/command_line.h"
#include "client/connection/grpc_channel.h"
#include "client/connection/server_address.h"

namespace s2p {
namespace {

// Makes every long flag an environment variable, such as S2P_API_KEY for --api-key; it is also a
// key of --config's file.
void NameEnvironment(CLI::App& app) {
  for (CLI::Option* option : app.get_options()) {
    if (option->get_lnames().empty()) continue;
    const std::string& flag = option->get_lnames()[0];
    if (flag == "help" || flag == "version") continue;
    std::string name = "S2P_";
    for (const char c : flag) {
      name.push_back(c == '-' ? '_' : static_cast<char>(std::toupper(c)));
    }
    option->envname(name);
  }
  for (CLI::App* command : app.get_subcommands([](CLI::App*) { return true; })) {
    NameEnvironment(*command);
  }
}

// Reads the file of --config like all other text that people edit; CLI11 parses it.
class PlainConfig : public CLI::ConfigTOML {
 public:
  // `app` must outlive this object.
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
                 "Address of s2p-server, HOST:PORT; for train, of the trainer, by default "
                 "127.0.0.1:50052")
      ->check(
          [](const std::string& text) { return std::string(CheckServerAddress(text).message()); })
      ->capture_default_str();
  app.add_option("--tls-ca", options.tls_ca, "PEM file of the authority to trust; turns TLS on");
  app.add_option("--tls-cert", options.tls_cert, "PEM file of our certificate");
  app.add_option("--tls-key", options.tls_key, "PEM file of our key");
  app.add_option("--api-key", options.api_key, "Key that the server requires");
  app.add_option("--api-key-file", options.api_key_file, "Or: file whose first line is the key");
  app.add_flag("--insecure", options.insecure,
               "Allow sending the key in plain text beyond this machine");
  app.add_option("--timeout", connection.timeout_seconds, "Deadline of a call in seconds")
      ->check(CLI::Range(0.001, 86400.0))
      ->capture_default_str();
  app.add_flag("--version", "Print the version and exit");
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
  S2P_RETURN_IF_ERROR(ReadApiKey(connection.options));
  connection.options.timeout = absl::Seconds(connection.timeout_seconds);
  if (command.search) return RunWith(connection.options, command.search);
  if (command.feedback) return RunWith(connection.options, command.feedback);
  if (app.get_option("--server")->count() == 0) connection.options.server = kDefaultTrainer;
  return RunWith(connection.options, command.train);
}

// CLI11 treats an empty variable as unset, which would select a different server than intended.
bool IsServerEmpty(const CLI::App& app) {
  const char* server = std::getenv("S2P_SERVER");
  return server != nullptr && *server == '\0' && app.get_option("--server")->count() == 0;
}

// Looks up `word` among the flags of `app` and of all its commands.
FlagKind KindOf(const CLI::App& app, absl::string_view word) {
  for (const CLI::Option* option : app.get_options()) {
    if (word.empty() || word[0] != '-' || !option->check_name(std::string(word))) continue;
    return option->get_items_expected_max() > 0 ? FlagKind::kTakesValue : FlagKind::kSwitch;
  }
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    const FlagKind kind = KindOf(*command, word);
    if (kind != FlagKind::kUnknown) return kind;
  }
  return FlagKind::kUnknown;
}

int Usage(absl::string_view message) {
  std::cerr << "s2p: " << Printable(message) << "\nTry 's2p --help'.\n";
  return 2;
}

int Report(absl::Status status) {
  std::cout.flush();
  if (status.ok() && std::cout.fail()) {
    status = absl::DataLossError("standard output is closed or full");
  }
  if (status.ok()) return 0;
  std::cerr << (WantsColour(std::cerr) ? Red("s2p:") : "s2p:") << " " << Printable(status.message())
            << " (" << absl::StatusCodeToString(status.code()) << ")\n";
  return 1;
}

// True for a word such as "-x" that is not a flag, so perhaps a name.
bool IsNameWithADash(const std::string& word, const FlagKinds& kind_of) {
  return word.size() > 1 && word[0] == '-' && word[1] != '-' &&
         kind_of(word.substr(0, 2)) == FlagKind::kUnknown;
}

// Prints CLI11's error about the command line, or the requested help.
int Exit(const CLI::App& app, const CLI::ParseError& error, const std::vector<std::string>& words,
         const FlagKinds& kind_of) {
  if (app.exit(error) == 0) return Report(absl::OkStatus());
  for (const std::string& word : words) {
    if (!IsNameWithADash(word, kind_of)) continue;
    std::cerr << "There is no flag " << Printable(word)
              << "; a name that begins with - goes after --, as in: s2p gallery rm -- -x\n";
    break;
  }
  return 2;
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
  AddFeedbackCommands(app, command);
  AddKeyCommands(app, command);
  AddCompletionCommand(app, command);
  NameEnvironment(app);
  const std::vector<std::string> words(argv + std::min(argc, 1), argv + argc);
  const auto kind_of = [&app](absl::string_view word) { return KindOf(app, word); };
  if (HasFlag(words, "--version", kind_of)) {
    std::cout << "s2p " << S2P_VERSION << '\n';
    return Report(absl::OkStatus());
  }
  if (const std::string slip = MisplacedFlag(words, kind_of); !slip.empty()) return Usage(slip);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return Exit(app, error, words, kind_of);
  }
  if (!command.local && IsServerEmpty(app)) {
    return Usage("S2P_SERVER is empty: give it HOST:PORT, or unset it");
  }
  return Report(RunChosen(app, connection, command));
}

}  // namespace
}  // namespace s2p

int main(int argc, char** argv) {
  s2p::OpenStandardStreams();
  return s2p::Run(argc, argv);
}
