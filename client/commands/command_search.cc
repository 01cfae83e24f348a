#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "base/utf8.h"
#include "client/arguments.h"
#include "client/clean_text.h"
#include "client/commands/commands.h"
#include "client/files.h"
#include "client/montage.h"
#include "client/photo_thumbnail.h"
#include "client/report.h"

namespace s2p {
namespace {

absl::Status AddImages(const std::vector<std::string>& paths, float weight,
                       v1::SearchRequest& request) {
  for (const std::string& path : paths) {
    S2P_ASSIGN_OR_RETURN(auto bytes, ReadImageFile(path));
    v1::Example& example = *request.add_examples();
    example.set_image(std::move(bytes));
    if (weight != 1) example.set_weight(weight);
  }
  return absl::OkStatus();
}

absl::StatusOr<v1::SearchRequest> BuildRequest(const SearchOptions& options) {
  v1::SearchRequest request;
  if (options.sketches.empty() && options.like.empty()) {
    return absl::InvalidArgumentError("nothing to search for: give a SKETCH or --like ID");
  }
  S2P_RETURN_IF_ERROR(AddImages(options.sketches, 1, request));
  S2P_RETURN_IF_ERROR(AddImages(options.not_sketches, -1, request));
  for (const std::string& photo_id : options.like) {
    S2P_RETURN_IF_ERROR(CheckPhotoId(photo_id, "--like"));
    request.add_examples()->set_photo_id(photo_id);
  }
  request.set_top_k(options.k);
  if (options.min_score) request.set_min_score(*options.min_score);
  S2P_ASSIGN_OR_RETURN(auto filter, ParseFilter(options.filters, options.attributes));
  *request.mutable_filter() = std::move(filter);
  for (const std::string& text : options.colors) {
    v1::ColorPreference& preference = *request.add_color_preferences();
    S2P_ASSIGN_OR_RETURN(*preference.mutable_color(), ParseColor(text, "--color"));
    if (options.color_weight) preference.set_weight(*options.color_weight);
  }
  request.set_with_attributes(true);
  return request;
}

// The attributes that are more likely present than absent, most likely first.
std::string LikelyAttributes(
    const google::protobuf::RepeatedPtrField<v1::AttributeScore>& attributes) {
  std::vector<std::pair<float, std::string>> likely;
  for (const v1::AttributeScore& attribute : attributes) {
    if (attribute.score() >= 0.5F) likely.emplace_back(-attribute.score(), attribute.name());
  }
  std::sort(likely.begin(), likely.end());
  return absl::StrJoin(likely, " ", [](std::string* text, const auto& entry) {
    absl::StrAppend(text, Printable(entry.second));
  });
}

// `by_colour`: what was added to each score counts too.
void PrintMatches(const v1::SearchResponse& response, bool by_colour, std::ostream& out) {
  std::vector<std::vector<std::string>> rows = {{">rank", ">score"}};
  if (by_colour) rows[0].push_back(">color");
  for (const char* title : {"photo", "metadata", "attributes"}) rows[0].push_back(title);
  for (const v1::Match& match : response.matches()) {
    std::vector<std::string>& row = rows.emplace_back();
    row = {absl::StrCat(match.rank()), absl::StrFormat("%.4f", match.score())};
    if (by_colour) row.push_back(absl::StrFormat("%+.4f", match.color_score()));
    row.push_back(Printable(match.photo_id()));
    row.push_back(ToText(match.metadata()));
    row.push_back(LikelyAttributes(match.attributes()));
  }
  PrintTable(rows, out);
  if (response.matches().empty()) out << "(nothing matches)\n";
  const auto& total = response.timings().total();
  out << absl::StrFormat("model version %d, %.1f ms on the server\n", response.model_version(),
                         static_cast<double>(total.seconds()) * 1e3 + total.nanos() / 1e6);
}

absl::Status WriteMontage(const SearchClient& client, const SearchOptions& options,
                          const v1::SearchRequest& request, const v1::SearchResponse& response) {
  MontageRow row;
  if (!options.sketches.empty()) {
    row.query.image = request.examples(0).image();
    row.query.first_line = "sketch";
  } else {
    S2P_ASSIGN_OR_RETURN(row.query.image, FetchThumbnail(client, options.like[0]));
    row.query.first_line = absl::StrCat("like ", options.like[0]);
  }
  for (const v1::Match& match : response.matches()) {
    S2P_ASSIGN_OR_RETURN(auto cell, MatchCell(client, match));
    row.matches.push_back(std::move(cell));
  }
  S2P_ASSIGN_OR_RETURN(auto png, DrawMontage({row}));
  return WriteFile(options.montage, png);
}

}  // namespace

absl::Status RunSearch(const SearchClient& client, const SearchOptions& options,
                       std::ostream& out) {
  S2P_ASSIGN_OR_RETURN(auto request, BuildRequest(options));
  S2P_ASSIGN_OR_RETURN(auto response, client.Search(request));
  if (!options.montage.empty()) {
    S2P_RETURN_IF_ERROR(WriteMontage(client, options, request, response));
  }
  if (options.json) {
    out << ToJson(response);
  } else {
    PrintMatches(response, !options.colors.empty(), out);
  }
  return absl::OkStatus();
}

}  // namespace s2p
