// The commands that manage a server's gallery, model and keys.
#include <iostream>
#include <memory>

#include "absl/strings/str_cat.h"
#include "client/commands/command_line.h"

namespace s2p {
namespace {

void AddGalleryAdd(CLI::App& gallery, Command& command) {
  auto options = std::make_shared<GalleryAddOptions>();
  CLI::App* add = gallery.add_subcommand("add", "Add photos");
  add->add_option("PATH", options->paths, "Images, or folders of images");
  add->add_option("--dataset", options->dataset,
                  "Data set folder to add instead; the identity goes into the metadata");
  add->add_option("--split", options->split, "Which of its splits")->capture_default_str();
  add->add_option("--id-from", options->id_from, "Source of the id: stem, path or sha256")
      ->check(CLI::IsMember({"stem", "path", "sha256"}))
      ->capture_default_str();
  AddRepeated(*add, "--metadata", options->metadata, "KEY=VALUE for each photo");
  add->add_option("--on-conflict", options->on_conflict,
                  "If the id exists with another image: fail, replace or skip")
      ->check(CLI::IsMember({"fail", "replace", "skip"}))
      ->capture_default_str();
  add->add_option("--modality", options->modality, "What the images are: photo or sketch")
      ->check(CLI::IsMember({"photo", "sketch"}))
      ->capture_default_str();
  add->add_flag("--json", options->json, "Print each reply as a line of JSON");
  add->footer(
      "Examples:\n"
      "  s2p gallery add photos/ --id-from path --metadata shop=north\n"
      "  s2p gallery add --dataset shoes --split test\n"
      "  s2p gallery add photos/ --on-conflict skip       resume where it stopped");
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
  list->add_option("--limit", options->limit, "List at most this many; 0 means all")
      ->capture_default_str();
  list->add_flag("--json", options->json, "Print the server's reply as JSON");
  list->footer("Example:\n  s2p gallery list --filter shop=north --limit 20");
  list->callback([=, &command] {
    command.search = [options](const SearchClient& client) {
      return RunGalleryList(client, *options, std::cout);
    };
  });
}

void AddGalleryGet(CLI::App& gallery, Command& command) {
  auto options = std::make_shared<GalleryGetOptions>();
  CLI::App* get = gallery.add_subcommand("get", "Show a photo's details, or fetch it");
  get->add_option("ID", options->photo_id, "Its id")->required();
  get->add_option("-o,--out", options->out_file, "Write the image to this file");
  get->add_option("--rendition", options->rendition, "What to write: original or thumbnail")
      ->check(CLI::IsMember({"original", "thumbnail"}))
      ->capture_default_str();
  get->add_flag("--json", options->json, "Print the server's reply as JSON");
  get->footer("Example:\n  s2p gallery get shoe-17 --out shoe-17.jpg");
  get->callback([=, &command] {
    command.search = [options](const SearchClient& client) {
      return RunGalleryGet(client, *options, std::cout);
    };
  });
}

void AddGalleryExport(CLI::App& gallery, Command& command) {
  auto options = std::make_shared<GalleryExportOptions>();
  CLI::App* exported =
      gallery.add_subcommand("export", "Write the photos as a data set to train on");
  exported->add_option("FOLDER", options->folder, "New folder")->required();
  AddRepeated(*exported, "--filter", options->filters, "Only photos with this metadata, KEY=VALUE");
  exported->add_flag("--json", options->json, "Print each photo as a line of JSON");
  exported->footer(
      "Example:\n"
      "  s2p gallery export data/gallery\n"
      "  s2p-trainer start --photos data/gallery/photo --checkpoint-root checkpoints");
  exported->callback([=, &command] {
    command.search = [options](const SearchClient& client) {
      return RunGalleryExport(client, *options, std::cout);
    };
  });
}

void AddGalleryRemove(CLI::App& gallery, Command& command) {
  auto photo_ids = std::make_shared<std::vector<std::string>>();
  auto json = std::make_shared<bool>(false);
  CLI::App* remove = gallery.add_subcommand("rm", "Delete photos");
  remove->add_option("ID", *photo_ids, "Their ids")->required();
  remove->add_flag("--json", *json, "Print the server's reply as JSON");
  remove->footer("Example:\n  s2p gallery rm shoe-17 shoe-18");
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
  report->footer(absl::StrCat("Example:\n  s2p ", parent.get_name(), " ", name));
  report->callback([=, &command] {
    command.search = [run, json](const SearchClient& client) {
      return run(client, *json, std::cout);
    };
  });
}

void AddModelPin(CLI::App& model, Command& command) {
  auto version = std::make_shared<int64_t>(0);
  auto json = std::make_shared<bool>(false);
  CLI::App* pin =
      model.add_subcommand("pin", "Serve this version and no newer one, for example to roll back");
  pin->add_option("VERSION", *version, "The version, as model status lists it")->required();
  pin->add_flag("--json", *json, "Print the server's reply as JSON");
  pin->footer("Example:\n  s2p model pin 3                                 until s2p model follow");
  pin->callback([=, &command] {
    command.search = [version, json](const SearchClient& client) {
      return RunModelPin(client, *version, *json, std::cout);
    };
  });
}

CLI::App* AddKeyCommand(CLI::App& keys, const char* name, const char* what,
                        const std::shared_ptr<KeyOptions>& options) {
  CLI::App* command = keys.add_subcommand(name, what);
  command->add_option("--file", options->file, "The servers' file of keys")->required();
  return command;
}

}  // namespace

void AddKeyCommands(CLI::App& app, Command& command) {
  CLI::App* keys = app.add_subcommand("keys", "Make and revoke the API keys that servers accept");
  keys->require_subcommand(1);
  auto options = std::make_shared<KeyOptions>();
  CLI::App* added = AddKeyCommand(*keys, "new", "Make a key and print it, this once", options);
  added->add_option("--name", options->name, "Its holder, as logs show it")->required();
  added
      ->add_option("--role", options->roles,
                   "What it opens: some of search, write, train, admin, separated by commas")
      ->required();
  added->footer(
      "Example:\n"
      "  (umask 077 && s2p keys new --name web --role search,write --file api-keys > web.key)");
  added->callback(
      [=, &command] { command.local = [options] { return RunKeysNew(*options, std::cout); }; });
  CLI::App* list = AddKeyCommand(*keys, "list", "List names and roles", options);
  list->footer("Example:\n  s2p keys list --file api-keys");
  list->callback(
      [=, &command] { command.local = [options] { return RunKeysList(*options, std::cout); }; });
  CLI::App* revoke = AddKeyCommand(*keys, "revoke", "Remove a key", options);
  revoke->add_option("NAME", options->name, "Its name, as keys list shows it")->required();
  revoke->footer("Example:\n  s2p keys revoke web --file api-keys");
  revoke->callback(
      [=, &command] { command.local = [options] { return RunKeysRevoke(*options, std::cout); }; });
}

void AddServerCommands(CLI::App& app, Command& command) {
  CLI::App* gallery = app.add_subcommand("gallery", "Manage the photos that are searched");
  gallery->require_subcommand(1);
  AddGalleryAdd(*gallery, command);
  AddGalleryList(*gallery, command);
  AddGalleryGet(*gallery, command);
  AddGalleryExport(*gallery, command);
  AddGalleryRemove(*gallery, command);
  AddReport(*gallery, "stats", "Count the photos", command, RunGalleryStats);
  CLI::App* model = app.add_subcommand("model", "Show or choose the served model");
  model->require_subcommand(1);
  AddReport(*model, "status", "List the known versions", command, RunModelStatus);
  AddModelPin(*model, command);
  AddReport(*model, "follow", "Serve the newest version, now and in the future", command,
            RunModelFollow);
  AddReport(*model, "watch", "Show each change of the versions until interrupted", command,
            RunModelWatch);
}

}  // namespace s2p
