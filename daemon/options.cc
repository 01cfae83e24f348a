#include "daemon/options.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>
#include <map>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/flag_words.h"
#include "base/status_macros.h"
#include "base/text_file.h"
#include "daemon/toml.h"

namespace s2p {
namespace {

constexpr char kFooter[] =
    "Every flag can also be given in the environment (--some-flag: S2P_SOME_FLAG) or in the TOML\n"
    "file of --config (some-flag = ...). The command line wins over the environment, and that "
    "over\n"
    "the file.";

std::string EnvironmentName(absl::string_view flag) {
  return absl::StrCat("S2P_", absl::AsciiStrToUpper(absl::StrReplaceAll(flag, {{"-", "_"}})));
}

// The texts that one source gives for a flag, and the source's name for messages.
struct Given {
  std::vector<std::string> texts;
  std::string source;
};

}  // namespace

struct Options::Impl {
  std::string name;
  std::string description;
  std::string version;
  std::string config;
  std::vector<std::unique_ptr<Flag>> flags;
  std::vector<std::unique_ptr<Options>> commands;
  std::string command;

  const Flag* Find(absl::string_view flag_name) const {
    for (const auto& flag : flags) {
      if (flag->name_ == flag_name) return flag.get();
    }
    return nullptr;
  }

  const Options* FindCommand(absl::string_view command_name) const {
    for (const auto& candidate : commands) {
      if (candidate->impl_->name == command_name) return candidate.get();
    }
    return nullptr;
  }

  // The flags in force: the program's own and the chosen command's.
  std::vector<const Flag*> Active() const {
    std::vector<const Flag*> active;
    for (const auto& flag : flags) active.push_back(flag.get());
    if (const Options* chosen = FindCommand(command)) {
      for (const auto& flag : chosen->impl_->flags) active.push_back(flag.get());
    }
    return active;
  }

  FlagKind KindOf(absl::string_view word) const {
    if (word == "--config") return FlagKind::kTakesValue;
    if (word == "--help" || word == "--version") return FlagKind::kSwitch;
    if (!absl::ConsumePrefix(&word, "--")) return FlagKind::kUnknown;
    const Flag* flag = Find(word);
    for (const auto& candidate : commands) {
      if (flag == nullptr) flag = candidate->impl_->Find(word);
    }
    if (flag == nullptr) return FlagKind::kUnknown;
    return flag->is_switch_ ? FlagKind::kSwitch : FlagKind::kTakesValue;
  }

  // "PROGRAM VERSION", for a command's Options too.
  std::string VersionText() const {
    return absl::StrCat(name.substr(0, name.find(' ')), " ", version);
  }

  // Declares the flags to `app`.
  void Describe(CLI::App* app) const;
  absl::StatusOr<std::map<std::string, Given>> ReadConfig(const std::string& path) const;
};

void Options::Impl::Describe(CLI::App* app) const {
  app->footer(kFooter);
  for (const auto& flag : flags) {
    const std::string dashed = absl::StrCat("--", flag->name_);
    // Constant, because CLI11 takes a string that is not constant for the variable to set.
    const std::string text = absl::StrCat(flag->description_, flag->required_ ? " (required)" : "");
    if (flag->is_switch_) {
      app->add_flag(dashed, text);
      continue;
    }
    CLI::Option* option =
        app->add_option(dashed, CLI::callback_t([](const CLI::results_t&) { return true; }), text);
    option->type_name(flag->choices_.empty() ? flag->value_name_
                                             : absl::StrJoin(flag->choices_, "|"));
    const std::string default_text = flag->show_();
    if (!default_text.empty() && !flag->required_) option->default_str(default_text);
    if (flag->is_list_) option->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  }
}

absl::StatusOr<std::map<std::string, Given>> Options::Impl::ReadConfig(
    const std::string& path) const {
  const absl::StatusOr<std::string> text = ReadTextFile(path);
  if (!text.ok()) {
    return absl::Status(text.status().code(),
                        absl::StrCat("--config: cannot read ", text.status().message()));
  }
  S2P_ASSIGN_OR_RETURN(std::vector<TomlEntry> entries, ParseToml(*text, path));

  std::map<std::string, Given> given;
  // A table's value overrides one at the top of the file.
  std::stable_sort(entries.begin(), entries.end(), [](const TomlEntry& a, const TomlEntry& b) {
    return a.table.empty() && !b.table.empty();
  });
  for (const TomlEntry& entry : entries) {
    const std::string key = absl::StrReplaceAll(entry.key, {{"_", "-"}});
    const std::string where = absl::StrCat(path, ":", entry.line);
    const Options* table = FindCommand(entry.table.empty() ? command : entry.table);
    if (!entry.table.empty() && table == nullptr) {
      return absl::InvalidArgumentError(absl::StrCat(where, ": unknown table [", entry.table, "]"));
    }
    const Flag* flag = table != nullptr ? table->impl_->Find(key) : nullptr;
    if (flag == nullptr) flag = Find(key);
    if (flag == nullptr) {
      return absl::InvalidArgumentError(absl::StrCat(where, ": unknown key '", entry.key, "'"));
    }
    if (entry.is_array && !flag->is_list_) {
      return absl::InvalidArgumentError(
          absl::StrCat(where, ": '", entry.key, "' takes one value, not an array"));
    }
    if (!entry.table.empty() && entry.table != command) continue;
    given[flag->name_] = {entry.values, where};
  }
  return given;
}

Flag& Flag::Required() {
  required_ = true;
  return *this;
}

Flag& Flag::Alone() {
  alone_ = true;
  return *this;
}

Flag& Flag::OneOf(std::vector<std::string> choices) {
  choices_ = std::move(choices);
  return *this;
}

Flag& Flag::Range(double low, double high) {
  range_ = {low, high};
  return *this;
}

Flag& Flag::Check(std::function<absl::Status(const std::string&)> check) {
  check_ = std::move(check);
  return *this;
}

Options::Options(std::string program, std::string description, std::string version)
    : impl_(std::make_unique<Impl>()) {
  impl_->name = std::move(program);
  impl_->description = std::move(description);
  impl_->version = std::move(version);
}

Options::Options(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Options::~Options() = default;

Options& Options::AddCommand(std::string name, std::string description) {
  auto impl = std::make_unique<Impl>();
  impl->name = std::move(name);
  impl->description = std::move(description);
  impl_->commands.push_back(std::unique_ptr<Options>(new Options(std::move(impl))));
  return *impl_->commands.back();
}

Flag& Options::AddFlag(std::string name, std::string description, std::string value_name) {
  impl_->flags.push_back(std::make_unique<Flag>());
  Flag& flag = *impl_->flags.back();
  flag.name_ = std::move(name);
  flag.description_ = std::move(description);
  flag.value_name_ = std::move(value_name);
  return flag;
}

absl::Status Options::Assign(const Flag& flag, const std::vector<std::string>& texts,
                             absl::string_view source) const {
  const std::string from = source.empty() ? "" : absl::StrCat(" (from ", source, ")");
  const auto wrong = [&](absl::string_view message) {
    return absl::InvalidArgumentError(absl::StrCat("--", flag.name_, ": ", message, from));
  };
  const std::vector<std::string>& choices = flag.choices_;
  for (const std::string& text : texts) {
    if (!choices.empty() && std::find(choices.begin(), choices.end(), text) == choices.end()) {
      return wrong(absl::StrCat("'", text, "' is none of ", absl::StrJoin(choices, ", ")));
    }
    if (flag.required_ && text.empty()) return wrong("is empty");
    if (!flag.check_) continue;
    if (absl::Status status = flag.check_(text); !status.ok()) return wrong(status.message());
  }
  if (absl::Status status = flag.assign_(texts); !status.ok()) return wrong(status.message());
  if (flag.range_ && flag.number_) {
    const double number = flag.number_();
    if (number < flag.range_->first || number > flag.range_->second) {
      const bool seconds = flag.value_name_ == "DURATION";
      return wrong(absl::StrCat("'", texts.back(), "' is not between ", flag.range_->first, " and ",
                                flag.range_->second, seconds ? " seconds" : ""));
    }
  }
  return absl::OkStatus();
}

std::optional<int> Options::Parse(int argc, const char* const* argv, std::ostream& out,
                                  std::ostream& err) {
  const auto usage = [&](absl::string_view message) {
    err << impl_->name << ": " << message << "\nTry '" << impl_->name
        << (impl_->command.empty() ? "" : " ") << impl_->command << " --help'.\n";
    return 2;
  };
  const auto shown = [&] {
    if (out.flush()) return 0;
    err << impl_->name << ": standard output is closed or full\n";
    return 1;
  };
  const std::vector<std::string> words(argv + std::min(argc, 1), argv + argc);
  const auto kind_of = [this](absl::string_view word) { return impl_->KindOf(word); };
  if (HasFlag(words, "--version", kind_of)) {
    out << impl_->VersionText() << '\n';
    return shown();
  }
  if (const std::string slip = MisplacedFlag(words, kind_of); !slip.empty()) return usage(slip);
  CLI::App app(impl_->description, impl_->name);
  app.set_version_flag("--version", impl_->VersionText());
  impl_->Describe(&app);
  CLI::App* chosen = &app;
  for (auto& command : impl_->commands) {
    CLI::App* sub = app.add_subcommand(command->impl_->name, command->impl_->description);
    command->impl_->Describe(sub);
    sub->add_option("--config", impl_->config, "TOML file of flags")->type_name("FILE");
  }
  if (impl_->commands.empty()) {
    app.add_option("--config", impl_->config, "TOML file of flags")->type_name("FILE");
  } else {
    app.require_subcommand(1);
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) {
      app.exit(error, out, err);
      return shown();
    }
    for (CLI::App* sub : app.get_subcommands()) impl_->command = sub->get_name();
    return usage(error.what());
  }
  for (CLI::App* sub : app.get_subcommands()) {
    chosen = sub;
    impl_->command = sub->get_name();
  }

  if (const char* config = std::getenv("S2P_CONFIG"); impl_->config.empty() && config != nullptr) {
    impl_->config = config;
  }
  std::map<std::string, Given> file;
  if (!impl_->config.empty()) {
    auto read = impl_->ReadConfig(impl_->config);
    if (!read.ok()) return usage(read.status().message());
    file = *std::move(read);
  }
  const Flag* missing = nullptr;
  bool alone = false;
  for (const Flag* flag : impl_->Active()) {
    CLI::Option* option = chosen->get_option_no_throw(absl::StrCat("--", flag->name_));
    if (option == nullptr) option = app.get_option_no_throw(absl::StrCat("--", flag->name_));
    const std::string variable = EnvironmentName(flag->name_);
    const char* environment = std::getenv(variable.c_str());
    Given given;
    if (option->count() > 0) {
      given.texts = option->results();
    } else if (environment != nullptr) {
      given.source = variable;
      given.texts = {environment};
      if (flag->is_list_) given.texts = absl::StrSplit(environment, ',', absl::SkipEmpty());
    } else if (auto it = file.find(flag->name_); it != file.end()) {
      given = it->second;
    } else {
      if (flag->required_ && missing == nullptr) missing = flag;
      continue;
    }
    if (absl::Status status = Assign(*flag, given.texts, given.source); !status.ok()) {
      return usage(status.message());
    }
    alone = alone || (flag->alone_ && flag->show_() == "true");
  }
  if (missing != nullptr && !alone) {
    return usage(absl::StrCat("--", missing->name_, " is required"));
  }
  return std::nullopt;
}

const std::string& Options::command() const { return impl_->command; }

std::vector<std::pair<std::string, std::string>> Options::Values() const {
  std::vector<std::pair<std::string, std::string>> values;
  for (const Flag* flag : impl_->Active()) {
    std::string text = flag->show_();
    if (absl::EndsWith(flag->name_, "api-key") && !text.empty()) text = "(set)";
    values.emplace_back(flag->name_, std::move(text));
  }
  return values;
}

}  // namespace s2p
