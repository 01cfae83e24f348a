// The commands that search and that measure searches.
#include <iostream>
#include <memory>

#include "client/commands/command_line.h"

namespace s2p {
namespace {

void AddSearch(CLI::App& app, Command& command) {
  auto options = std::make_shared<SearchOptions>();
  auto min_score = std::make_shared<float>(0);
  auto color_weight = std::make_shared<float>(0);
  CLI::App* search = app.add_subcommand("search", "Find the photos that match a sketch");
  search->add_option("SKETCH", options->sketches,
                     "Images of the drawing; several images of one target are fused");
  search->add_option("-k,--top-k", options->k, "Number of matches, 1 to 1000")
      ->capture_default_str();
  AddRepeated(*search, "--not", options->not_sketches,
              "Image that the matches should not resemble");
  AddRepeated(*search, "--like", options->like,
              "Id of a gallery photo that the matches should resemble");
  AddRepeated(*search, "--filter", options->filters, "Only photos with this metadata, KEY=VALUE");
  AddRepeated(*search, "--attribute", options->attributes,
              "Only photos whose predicted attribute is in a range, such as boots:0.5..1");
  CLI::Option* min_option =
      search->add_option("--min-score", *min_score, "Lowest cosine similarity, -1 to 1");
  CLI::Option* color =
      AddRepeated(*search, "--color", options->colors,
                  "Rank photos of this colour higher: six hex digits, such as c0392b");
  CLI::Option* weight_option =
      search
          ->add_option("--color-weight", *color_weight,
                       "What a photo of that colour gains, in units of score; 0 to 1")
          ->needs(color);
  search->add_flag("--json", options->json, "Print the server's reply as JSON");
  search->add_option("--montage", options->montage,
                     "Write a PNG with the sketch next to its matches");
  search->footer(
      "Examples:\n"
      "  s2p search sketch.png -k 20 --montage found.png\n"
      "  s2p search front.png side.png --not other.png --filter shop=north\n"
      "  s2p search sketch.png --attribute boots:0.5..1 --json | jq -r '.matches[].photoId'\n"
      "  s2p search sketch.png --color c0392b --color-weight 0.5\n"
      "  s2p search --like shoe-17                      more like a photo in the gallery");
  search->callback([=, &command] {
    if (min_option->count() > 0) options->min_score = *min_score;
    if (weight_option->count() > 0) options->color_weight = *color_weight;
    command.search = [options](const SearchClient& client) {
      return RunSearch(client, *options, std::cout);
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
                   "Write a PNG with some of the searches; correct photos have green frames");
  eval->add_option("--rows", options->montage_rows, "Number of searches to draw")
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
  eval->footer(
      "Example:\n"
      "  s2p gallery add --dataset shoes --split test && s2p eval --dataset shoes");
  eval->callback([=, &command] {
    command.search = [options](const SearchClient& client) {
      return RunEval(client, *options, std::cout);
    };
  });
}

void AddBench(CLI::App& app, Connection& connection, Command& command) {
  auto options = std::make_shared<BenchOptions>();
  CLI::App* bench = app.add_subcommand(
      "bench", "Measure latency and throughput of searches; failures are counted, not retried");
  bench->add_option("SKETCH", options->sketches, "Images to search with, in turn")->required();
  bench->add_option("-k,--top-k", options->k, "Number of matches per search")
      ->capture_default_str();
  CLI::Option* concurrency =
      bench->add_option("--concurrency", options->concurrency, "Searches in flight at any time")
          ->check(CLI::Range(1, 1024))
          ->capture_default_str();
  bench->add_option("--rate", options->rate, "Start this many searches per second instead")
      ->check(CLI::PositiveNumber)
      ->excludes(concurrency);
  bench->add_option("--duration", options->duration_seconds, "Duration in seconds")
      ->check(CLI::Range(0.1, 86400.0))
      ->capture_default_str();
  bench->add_flag("--histogram", options->histogram, "Also show the distribution of latencies");
  bench->add_flag("--json", options->json, "Print the result as JSON");
  bench->footer(
      "Examples:\n"
      "  s2p bench sketches/*.png --concurrency 32 --duration 30\n"
      "  s2p bench sketches/*.png --rate 100 --histogram   latency since the call was due");
  bench->callback([=, &connection, &command] {
    connection.options.retry = false;
    command.search = [options](const SearchClient& client) {
      return RunBench(client, *options, std::cout);
    };
  });
}

}  // namespace

void AddSearchCommands(CLI::App& app, Connection& connection, Command& command) {
  AddSearch(app, command);
  AddEval(app, command);
  AddBench(app, connection, command);
}

}  // namespace s2p
