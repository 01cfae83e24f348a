// The commands of the training daemon.
#include <sys/ioctl.h>
#include <unistd.h>

#include <iostream>
#include <memory>

#include "absl/strings/str_cat.h"
#include "client/commands/command_line.h"

namespace s2p {
namespace {

void AddTrainWatchFlags(CLI::App& app, TrainWatchOptions& options) {
  app.add_flag("--json", options.json, "Print each event as a line of JSON");
  app.add_option("--from-event", options.from_event, "Start with this event; 1 is the first")
      ->check(CLI::NonNegativeNumber);
}

// The display depends on the output.
void LookAtTerminal(TrainWatchOptions& options) {
  options.live = isatty(STDOUT_FILENO) == 1;
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
    options.columns = size.ws_col;
  }
}

void AddTrainSubmit(CLI::App& train, Command& command) {
  auto options = std::make_shared<TrainSubmitOptions>();
  CLI::App* submit = train.add_subcommand("submit", "Queue a job and print its id");
  submit
      ->add_option("SPEC", options->spec,
                   "File with the TrainingSpec: protobuf's text format, or JSON")
      ->required();
  AddRepeated(*submit, "--set", options->set,
              "Set one field, FIELD=VALUE, such as step2.epochs=5; may be repeated");
  submit->add_flag("--watch", options->watch, "Then watch it, as train watch does");
  submit->add_flag(
      "--json", options->json,
      "Print the trainer's reply as JSON; with --watch, print everything as lines of JSON");
  submit->footer(
      "Examples:\n"
      "  s2p train submit shoes.textproto --set step2.epochs=60 --set name=autumn\n"
      "  s2p train submit shoes.json --watch");
  submit->callback([=, &command] {
    command.train = [options](const TrainingClient& client) {
      LookAtTerminal(options->watch_options);
      return RunTrainSubmit(client, *options, std::cout, std::cerr);
    };
  });
}

void AddTrainList(CLI::App& train, Command& command) {
  auto options = std::make_shared<TrainListOptions>();
  CLI::App* list = train.add_subcommand("list", "List the jobs, newest first");
  list->add_option("--limit", options->limit, "List at most this many; 0 means all")
      ->capture_default_str();
  list->add_flag("--json", options->json, "Print the trainer's reply as JSON");
  list->footer("Example:\n  s2p train list --limit 20");
  list->callback([=, &command] {
    command.train = [options](const TrainingClient& client) {
      return RunTrainList(client, *options, std::cout);
    };
  });
}

void AddTrainWatch(CLI::App& train, Command& command) {
  auto options = std::make_shared<TrainWatchOptions>();
  CLI::App* watch = train.add_subcommand(
      "watch", "Show a job's progress until it ends; the exit code is 0 only if it succeeded");
  watch->add_option("ID", options->job_id, "The job's id, as train list shows it")->required();
  AddTrainWatchFlags(*watch, *options);
  watch->footer(
      "Examples:\n"
      "  s2p train watch ID\n"
      "  s2p train watch ID > log.txt                  one line for each epoch\n"
      "  s2p train watch ID --json | jq .progress.mAP");
  watch->callback([=, &command] {
    command.train = [options](const TrainingClient& client) {
      LookAtTerminal(*options);
      return RunTrainWatch(client, *options, std::cout, std::cerr);
    };
  });
}

// A command on one job whose only flag is --json.
void AddTrainJob(CLI::App& train, const char* name, const char* what, Command& command,
                 absl::Status (*run)(const TrainingClient&, const std::string&, bool,
                                     std::ostream&)) {
  auto job_id = std::make_shared<std::string>();
  auto json = std::make_shared<bool>(false);
  CLI::App* sub = train.add_subcommand(name, what);
  sub->add_option("ID", *job_id, "The job's id, as train list shows it")->required();
  sub->add_flag("--json", *json, "Print the trainer's reply as JSON");
  sub->footer(absl::StrCat("Example:\n  s2p train ", name, " ID"));
  sub->callback([=, &command] {
    command.train = [run, job_id, json](const TrainingClient& client) {
      return run(client, *job_id, *json, std::cout);
    };
  });
}

}  // namespace

void AddTrainCommands(CLI::App& app, Command& command) {
  CLI::App* train = app.add_subcommand(
      "train", "Jobs of the training daemon (s2p-trainer serve), by default at 127.0.0.1:50052");
  train->require_subcommand(1);
  AddTrainSubmit(*train, command);
  AddTrainList(*train, command);
  AddTrainWatch(*train, command);
  AddTrainJob(*train, "cancel", "Cancel a queued or running job", command, RunTrainCancel);
  AddTrainJob(*train, "retry", "Queue a job again that failed or was cancelled", command,
              RunTrainRetry);
  AddTrainJob(*train, "get", "Show a job's details", command, RunTrainGet);
}

}  // namespace s2p
