// The commands of `s2p`, one function each, independent of how flags are parsed.
//
// Every function prints its result on `out` (with `json`, the JSON mapping of the RPC's reply) and
// returns an error for main to print. The flags are declared and described in command_line_*.cc.
#ifndef S2P_CLIENT_COMMANDS_COMMANDS_H_
#define S2P_CLIENT_COMMANDS_COMMANDS_H_

#include <cstdint>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "client/connection/search_client.h"
#include "client/connection/training_client.h"

namespace s2p {

struct SearchOptions {
  std::vector<std::string> sketches;
  std::vector<std::string> not_sketches;
  std::vector<std::string> like;
  uint32_t k = 10;
  std::vector<std::string> filters;
  std::vector<std::string> attributes;
  std::optional<float> min_score;
  // Photos of these colours come first: six hex digits each, with or without "#".
  std::vector<std::string> colors;
  // The weight of each colour. Unset: the server's default.
  std::optional<float> color_weight;
  bool json = false;
  // PNG to write; empty: none.
  std::string montage;
};
// InvalidArgument if there is nothing to search for.
absl::Status RunSearch(const SearchClient& client, const SearchOptions& options, std::ostream& out);

struct GalleryAddOptions {
  // Image files to add, and folders whose images are added. Use either this or `dataset`.
  std::vector<std::string> paths;
  std::string dataset;
  std::string split = "test";
  // "stem", "path" or "sha256".
  std::string id_from = "stem";
  std::vector<std::string> metadata;
  // "fail", "replace" or "skip".
  std::string on_conflict = "fail";
  // "photo" or "sketch": the modality of `paths`, or of the images of `dataset` to add.
  std::string modality = "photo";
  bool json = false;
};
// Adds all photos that it can and names the others on `err`. Not ok if any failed; the status says
// how many.
absl::Status RunGalleryAdd(const SearchClient& client, const GalleryAddOptions& options,
                           std::ostream& out, std::ostream& err);

struct GalleryListOptions {
  std::vector<std::string> filters;
  // 0: all.
  uint32_t limit = 0;
  bool json = false;
};
absl::Status RunGalleryList(const SearchClient& client, const GalleryListOptions& options,
                            std::ostream& out);

struct GalleryGetOptions {
  std::string photo_id;
  // File for the rendition; if empty, only the photo's details are printed.
  std::string out_file;
  // "original" or "thumbnail".
  std::string rendition = "original";
  bool json = false;
};
absl::Status RunGalleryGet(const SearchClient& client, const GalleryGetOptions& options,
                           std::ostream& out);

struct GalleryExportOptions {
  // A new folder.
  std::string folder;
  std::vector<std::string> filters;
  bool json = false;
};
// Writes the photos as a data set to train on: the bytes that were added, under the identity that
// their metadata name, or else their id. A photo that is deleted meanwhile is left out. NotFound if
// there is none.
absl::Status RunGalleryExport(const SearchClient& client, const GalleryExportOptions& options,
                              std::ostream& out);

// NotFound if one of the photos does not exist; the others are deleted.
absl::Status RunGalleryRemove(const SearchClient& client, const std::vector<std::string>& photo_ids,
                              bool json, std::ostream& out);
absl::Status RunGalleryStats(const SearchClient& client, bool json, std::ostream& out);
absl::Status RunModelStatus(const SearchClient& client, bool json, std::ostream& out);
// Serves this version and no newer one, for example to roll back.
absl::Status RunModelPin(const SearchClient& client, int64_t version, bool json, std::ostream& out);
// Serves the newest version, now and in the future.
absl::Status RunModelFollow(const SearchClient& client, bool json, std::ostream& out);
// Prints a line for each change until the server goes away or `out` is closed; with `json`, each
// status is one line.
absl::Status RunModelWatch(const SearchClient& client, bool json, std::ostream& out);

struct KeyOptions {
  // The servers' file of keys (base/key_file.h).
  std::string file;
  std::string name;
  // As Roles::Parse takes them.
  std::string roles;
};
// Makes a key, adds its hash to the file and prints the key: the only time that it can be read.
absl::Status RunKeysNew(const KeyOptions& options, std::ostream& out);
// Prints name and roles of each key.
absl::Status RunKeysList(const KeyOptions& options, std::ostream& out);
absl::Status RunKeysRevoke(const KeyOptions& options, std::ostream& out);

struct EvalOptions {
  std::string dataset;
  std::string split = "test";
  // "sketch-to-photo" or "photo-to-sketch".
  std::string direction = "sketch-to-photo";
  bool json = false;
  // PNG to write; empty: none.
  std::string montage;
  // Number of queries in the montage, spread evenly over the split.
  uint32_t montage_rows = 6;
};
// Searches the whole gallery, whose items were added with `gallery add --dataset`, with every image
// of the split. FailedPrecondition if no item has an identity.
absl::Status RunEval(const SearchClient& client, const EvalOptions& options, std::ostream& out);

struct BenchOptions {
  // Searched with in turn.
  std::vector<std::string> sketches;
  uint32_t k = 10;
  // Runs this many callers in a closed loop, or, if `rate` is above 0, starts `rate` searches per
  // second.
  int concurrency = 8;
  double rate = 0;
  double duration_seconds = 10;
  // Also prints a histogram of latencies.
  bool histogram = false;
  bool json = false;
};
// Fails if the first search fails, or all of them.
absl::Status RunBench(const SearchClient& client, const BenchOptions& options, std::ostream& out);

struct TrainWatchOptions {
  std::string job_id;
  // 0 and 1 both mean from the start.
  int64_t from_event = 0;
  // Print a line of JSON for each event.
  bool json = false;
  // As in WatchDisplayOptions.
  bool live = false;
  int columns = 80;
};
// Shows the job's progress until it ends; survives broken connections. Ok only if the job
// succeeded; Aborted with its reason if it failed, Cancelled if it was cancelled.
absl::Status RunTrainWatch(const TrainingClient& client, const TrainWatchOptions& options,
                           std::ostream& out, std::ostream& err);

struct TrainSubmitOptions {
  // A file in protobuf's text format or in JSON.
  std::string spec;
  // FIELD=VALUE, applied in order.
  std::vector<std::string> set;
  bool json = false;
  // Then continue as RunTrainWatch, with `watch_options` except for the job's id and `json`.
  bool watch = false;
  TrainWatchOptions watch_options;
};
// Prints the id of the new job.
absl::Status RunTrainSubmit(const TrainingClient& client, const TrainSubmitOptions& options,
                            std::ostream& out, std::ostream& err);

struct TrainListOptions {
  // 0: all.
  uint32_t limit = 0;
  bool json = false;
};
absl::Status RunTrainList(const TrainingClient& client, const TrainListOptions& options,
                          std::ostream& out);
absl::Status RunTrainGet(const TrainingClient& client, const std::string& job_id, bool json,
                         std::ostream& out);
absl::Status RunTrainCancel(const TrainingClient& client, const std::string& job_id, bool json,
                            std::ostream& out);
absl::Status RunTrainRetry(const TrainingClient& client, const std::string& job_id, bool json,
                           std::ostream& out);

}  // namespace s2p

#endif  // S2P_CLIENT_COMMANDS_COMMANDS_H_
