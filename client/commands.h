// What `s2p` does, one function per command, apart from how its flags are parsed.
//
// Every function prints its result on `out` (with `json`, the JSON mapping of the RPC's reply) and
// returns an error for main to print. Flags are described where they are declared: main.cc.
#ifndef S2P_CLIENT_COMMANDS_H_
#define S2P_CLIENT_COMMANDS_H_

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
  bool json = false;
  // PNG to write; empty: none.
  std::string montage;
};
// InvalidArgument if there is nothing to search for.
absl::Status RunSearch(const SearchClient& client, const SearchOptions& options, std::ostream& out);

struct GalleryAddOptions {
  // Files, and folders whose images are added. Or `dataset`.
  std::vector<std::string> paths;
  std::string dataset;
  std::string split = "test";
  // "stem", "path" or "sha256".
  std::string id_from = "stem";
  std::vector<std::string> metadata;
  // "fail", "replace" or "skip".
  std::string on_conflict = "fail";
  // "photo" or "sketch"; of `paths`, and which images of `dataset` are taken.
  std::string modality = "photo";
  bool json = false;
};
// Adds what can be added and names each photo that cannot on `err`; then the status says how many.
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
  // File for the rendition; empty: only what is known about the photo is printed.
  std::string out_file;
  // "original" or "thumbnail".
  std::string rendition = "original";
  bool json = false;
};
absl::Status RunGalleryGet(const SearchClient& client, const GalleryGetOptions& options,
                           std::ostream& out);

// NotFound if one of the photos is not there; the others are deleted.
absl::Status RunGalleryRemove(const SearchClient& client, const std::vector<std::string>& photo_ids,
                              bool json, std::ostream& out);
absl::Status RunGalleryStats(const SearchClient& client, bool json, std::ostream& out);
absl::Status RunModelStatus(const SearchClient& client, bool json, std::ostream& out);
// Serves this version, and no newer one: rolls back.
absl::Status RunModelPin(const SearchClient& client, int64_t version, bool json, std::ostream& out);
// Serves the newest version, from now on too.
absl::Status RunModelFollow(const SearchClient& client, bool json, std::ostream& out);
// A line for each change, until the server is gone or `out` is closed; with `json`, each status on
// a line of its own.
absl::Status RunModelWatch(const SearchClient& client, bool json, std::ostream& out);

struct EvalOptions {
  std::string dataset;
  std::string split = "test";
  // "sketch-to-photo" or "photo-to-sketch".
  std::string direction = "sketch-to-photo";
  bool json = false;
  // PNG to write; empty: none.
  std::string montage;
  // Queries in it, spread evenly over the split.
  uint32_t montage_rows = 6;
};
// Searches with every image of the split in the whole gallery, whose items were added with
// `gallery add --dataset`. FailedPrecondition if none of them carries an identity.
absl::Status RunEval(const SearchClient& client, const EvalOptions& options, std::ostream& out);

struct BenchOptions {
  // Searched for in turn.
  std::vector<std::string> sketches;
  uint32_t k = 10;
  // Closed loop of so many callers; or, where `rate` is above 0, so many searches a second.
  int concurrency = 8;
  double rate = 0;
  double duration_seconds = 10;
  // Latencies by buckets, too.
  bool histogram = false;
  bool json = false;
};
// Fails if the first search fails, or every one.
absl::Status RunBench(const SearchClient& client, const BenchOptions& options, std::ostream& out);

struct TrainWatchOptions {
  std::string job_id;
  // 0 and 1: from the start.
  int64_t from_event = 0;
  // A line of JSON for each event.
  bool json = false;
  // As WatchDisplayOptions.
  bool live = false;
  int columns = 80;
};
// Shows what happens to the job until it ends; goes on over broken connections. Ok only if the job
// succeeded; Aborted with its reason if it failed, Cancelled if it was cancelled.
absl::Status RunTrainWatch(const TrainingClient& client, const TrainWatchOptions& options,
                           std::ostream& out, std::ostream& err);

struct TrainSubmitOptions {
  // A file in protobuf's text format or in JSON.
  std::string spec;
  // FIELD=VALUE, applied in order.
  std::vector<std::string> set;
  bool json = false;
  // Goes on as RunTrainWatch, with `watch_options` apart from the job's id and `json`.
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

}  // namespace s2p

#endif  // S2P_CLIENT_COMMANDS_H_
