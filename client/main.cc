// s2p: the command line of sketch2photo.
#include <sys/ioctl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cctype>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/commands.h"
#include "client/report.h"
#include "client/search_client.h"

namespace s2p {
namespace {

// A flag that takes one value each time it stands there, so that it never swallows a positional.
CLI::Option* AddRepeated(CLI::App& app, const std::string& name, std::vector<std::string>& values,
                         const std::string& description) {
  return app.add_option(name, values, description)->allow_extra_args(false);
}

// The chosen command: one of both, to be run with a connected client.
struct Command {
  std::function<absl::Status(const SearchClient&)> search;
  std::function<absl::Status(const TrainingClient&)> train;
};

struct Connection {
  ClientOptions options;
  double timeout_seconds = 30;
};

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
  app.allow_config_extras(CLI::config_extras_mode::error);
}

void AddSearch(CLI::App& app, Command& command) {
  auto options = std::make_shared<SearchOptions>();
  auto min_score = std::make_shared<float>(0);
  CLI::App* search = app.add_subcommand("search", "Find the photos that match a sketch");
  search->add_option("SKETCH", options->sketches,
                     "Images of the drawing; several of one target are fused");
  search->add_option("-k,--top-k", options->k, "How many matches, 1 to 1000")
      ->capture_default_str();
  AddRepeated(*search, "--not", options->not_sketches, "Image of what it is not like");
  AddRepeated(*search, "--like", options->like, "Id of a photo in the gallery that it is like");
  AddRepeated(*search, "--filter", options->filters, "Only photos with this metadata, KEY=VALUE");
  AddRepeated(*search, "--attribute", options->attributes,
              "Only photos whose predicted attribute is in a range, as boots:0.5..1");
  CLI::Option* min_option =
      search->add_option("--min-score", *min_score, "Lowest cosine similarity, -1 to 1");
  search->add_flag("--json", options->json, "Print the server's reply as JSON");
  search->add_option("--montage", options->montage,
                     "Write a PNG with the sketch beside its matches");
  search->callback([=, &command] {
    if (min_option->count() > 0) options->min_score = *min_score;
    command.search = [options](const SearchClient& client) {
      return RunSearch(client, *options, std::cout);
    };
  });
}

void AddGalleryAdd(CLI::App& gallery, Command& command) {
  auto options = std::make_shared<GalleryAddOptions>();
  CLI::App* add = gallery.add_subcommand("add", "Add photos");
  add->add_option("PATH", options->paths, "Images, or folders of images");
  add->add_option("--dataset", options->dataset,
                  "Data set folder to add instead; the identity goes into the metadata");
  add->add_option("--split", options->split, "Which of its splits")->capture_default_str();
  add->add_option("--id-from", options->id_from, "What becomes the id: stem, path or sha256")
      ->check(CLI::IsMember({"stem", "path", "sha256"}))
      ->capture_default_str();
  AddRepeated(*add, "--metadata", options->metadata, "KEY=VALUE for each photo");
  add->add_option("--on-conflict", options->on_conflict,
                  "If the id is there with another image: fail, replace or skip")
      ->check(CLI::IsMember({"fail", "replace", "skip"}))
      ->capture_default_str();
  add->add_option("--modality", options->modality, "What the images are: photo or sketch")
      ->check(CLI::IsMember({"photo", "sketch"}))
      ->capture_default_str();
  add->add_flag("--json", options->json, "Print each reply as a line of JSON");
  add->callback([=, &command] {
    command.search = [options](const SearchClient& client) {
      return RunGalleryAdd(client, *options, std::cout, std::cerr);
    };
  });
}

void AddGalleryList(CLI::App& gallery, Command& command) {
  auto options = std::make_shared<GalleryListOptions>();
  CLI::App* list = gallery.add_subcommand("list", "List the photos");
  AddRepeated(*list, "--filter", options->filters, "Only photos with this metadata, KEY=VALUE");
  list->add_option("--limit", options->limit, "At most so many; 0 means all")
      ->capture_default_str();
  list->add_flag("--json", options->json, "Print the server's reply as JSON");
  list->callback([=, &command] {
    command.search = [options](const SearchClient& client) {
      return RunGalleryList(client, *options, std::cout);
    };
  });
}

void AddGalleryGet(CLI::App& gallery, Command& command) {
  auto options = std::make_shared<GalleryGetOptions>();
  CLI::App* get = gallery.add_subcommand("get", "Show what is known about a photo, or fetch it");
  get->add_option("ID", options->photo_id, "Its id")->required();
  get->add_option("-o,--out", options->out_file, "Write the image to this file");
  get->add_option("--rendition", options->rendition, "What to write: original or thumbnail")
      ->check(CLI::IsMember({"original", "thumbnail"}))
      ->capture_default_str();
  get->add_flag("--json", options->json, "Print the server's reply as JSON");
  get->callback([=, &command] {
    command.search = [options](const SearchClient& client) {
      return RunGalleryGet(client, *options, std::cout);
    };
  });
}

void AddGalleryRemove(CLI::App& gallery, Command& command) {
  auto photo_ids = std::make_shared<std::vector<std::string>>();
  auto json = std::make_shared<bool>(false);
  CLI::App* remove = gallery.add_subcommand("rm", "Delete photos");
  remove->add_option("ID", *photo_ids, "Their ids")->required();
  remove->add_flag("--json", *json, "Print the server's reply as JSON");
  remove->callback([=, &command] {
    command.search = [photo_ids, json](const SearchClient& client) {
      return RunGalleryRemove(client, *photo_ids, *json, std::cout);
    };
  });
}

// A command whose only flag is --json.
void AddReport(CLI::App& parent, const char* name, const char* what, Command& command,
               absl::Status (*run)(const SearchClient&, bool, std::ostream&)) {
  auto json = std::make_shared<bool>(false);
  CLI::App* report = parent.add_subcommand(name, what);
  report->add_flag("--json", *json, "Print the server's reply as JSON");
  report->callback([=, &command] {
    command.search = [run, json](const SearchClient& client) {
      return run(client, *json, std::cout);
    };
  });
}

void AddEval(CLI::App& app, Command& command) {
  auto options = std::make_shared<EvalOptions>();
  CLI::App* eval = app.add_subcommand(
      "eval",
      "Measure how well the server finds a labelled set (added with gallery add --dataset)");
  eval->add_option("--dataset", options->dataset, "Data set folder")->required();
  eval->add_option("--split", options->split, "Which of its splits")->capture_default_str();
  eval->add_option("--direction", options->direction, "sketch-to-photo or photo-to-sketch")
      ->check(CLI::IsMember({"sketch-to-photo", "photo-to-sketch"}))
      ->capture_default_str();
  eval->add_flag("--json", options->json, "Print the result as JSON; fractions from 0 to 1");
  eval->add_option("--montage", options->montage,
                   "Write a PNG with some of the searches; right photos in green frames");
  eval->add_option("--rows", options->montage_rows, "How many searches to draw")
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
  eval->callback([=, &command] {
    command.search = [options](const SearchClient& client) {
      return RunEval(client, *options, std::cout);
    };
  });
}

void AddBench(CLI::App& app, Connection& connection, Command& command) {
  auto options = std::make_shared<BenchOptions>();
  CLI::App* bench = app.add_subcommand(
      "bench", "Measure latency and throughput of searches; failures are counted, not repeated");
  bench->add_option("SKETCH", options->sketches, "Images to search with, in turn")->required();
  bench->add_option("-k,--top-k", options->k, "How many matches each")->capture_default_str();
  CLI::Option* concurrency =
      bench->add_option("--concurrency", options->concurrency, "Searches under way at any time")
          ->check(CLI::Range(1, 1024))
          ->capture_default_str();
  bench->add_option("--rate", options->rate, "Instead: searches begun per second")
      ->check(CLI::PositiveNumber)
      ->excludes(concurrency);
  bench->add_option("--duration", options->duration_seconds, "How long, in seconds")
      ->check(CLI::Range(0.1, 86400.0))
      ->capture_default_str();
  bench->add_flag("--json", options->json, "Print the result as JSON");
  bench->callback([=, &connection, &command] {
    connection.options.retry = false;
    command.search = [options](const SearchClient& client) {
      return RunBench(client, *options, std::cout);
    };
  });
}

void AddModelPin(CLI::App& model, Command& command) {
  auto version = std::make_shared<int64_t>(0);
  auto json = std::make_shared<bool>(false);
  CLI::App* pin = model.add_subcommand("pin", "Serve this version, and no newer one: roll back");
  pin->add_option("VERSION", *version, "As model status lists it")->required();
  pin->add_flag("--json", *json, "Print the server's reply as JSON");
  pin->callback([=, &command] {
    command.search = [version, json](const SearchClient& client) {
      return RunModelPin(client, *version, *json, std::cout);
    };
  });
}

void AddTrainWatchFlags(CLI::App& app, TrainWatchOptions& options) {
  app.add_flag("--json", options.json, "Print each event as a line of JSON");
  app.add_option("--from-event", options.from_event, "Begin with this event; 1 is the first")
      ->check(CLI::NonNegativeNumber);
}

// What is drawn depends on where it goes.
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
              "Set one field, FIELD=VALUE, as step2.epochs=5; may stand there several times");
  submit->add_flag("--watch", options->watch, "Then watch it, as train watch does");
  submit->add_flag("--json", options->json,
                   "Print the trainer's reply as JSON; with --watch everything as lines of JSON");
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
  list->add_option("--limit", options->limit, "At most so many; 0 means all")
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

void AddTrain(CLI::App& app, Command& command) {
  CLI::App* train = app.add_subcommand(
      "train", "Jobs of the training daemon (s2p-trainer serve), by default at 127.0.0.1:50052");
  train->require_subcommand(1);
  AddTrainSubmit(*train, command);
  AddTrainList(*train, command);
  AddTrainWatch(*train, command);
  AddTrainJob(*train, "cancel", "End a queued or running job", command, RunTrainCancel);
  AddTrainJob(*train, "get", "Show what is known about a job", command, RunTrainGet);
}

template <typename Client>
absl::Status RunWith(const ClientOptions& options,
                     const std::function<absl::Status(const Client&)>& run) {
  const auto client = Client::Create(options);
  return client.ok() ? run(**client) : client.status();
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
  AddSearch(app, command);
  CLI::App* gallery = app.add_subcommand("gallery", "Look after the photos that are searched");
  gallery->require_subcommand(1);
  AddGalleryAdd(*gallery, command);
  AddGalleryList(*gallery, command);
  AddGalleryGet(*gallery, command);
  AddGalleryRemove(*gallery, command);
  AddReport(*gallery, "stats", "Count the photos", command, RunGalleryStats);
  CLI::App* model = app.add_subcommand("model", "The model that serves");
  model->require_subcommand(1);
  AddReport(*model, "status", "List the known versions", command, RunModelStatus);
  AddModelPin(*model, command);
  AddReport(*model, "follow", "Serve the newest version, from now on too", command, RunModelFollow);
  AddReport(*model, "watch", "Show each change of the versions, until interrupted", command,
            RunModelWatch);
  AddEval(app, command);
  AddBench(app, connection, command);
  AddTrain(app, command);
  NameEnvironment(app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }

  connection.options.timeout = absl::Seconds(connection.timeout_seconds);
  if (command.train && app.get_option("--server")->count() == 0) {
    connection.options.server = kDefaultTrainer;
  }
  absl::Status status = command.train ? RunWith(connection.options, command.train)
                                      : RunWith(connection.options, command.search);
  std::cout.flush();
  if (status.ok() && std::cout.fail()) status = absl::DataLossError("standard output is closed");
  if (status.ok()) return 0;
  std::cerr << "s2p: " << Printable(status.message()) << " ("
            << absl::StatusCodeToString(status.code()) << ")\n";
  return 1;
}

}  // namespace
}  // namespace s2p

int main(int argc, char** argv) { return s2p::Run(argc, argv); }
