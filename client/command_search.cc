#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "base/utf8.h"
#include "client/arguments.h"
#include "client/clean_text.h"
#include "client/commands.h"
#include "client/montage.h"
#include "client/photo_thumbnail.h"
#include "client/report.h"

namespace s2p {
namespace {

absl::Status AddImages(const std::vector<std::string>& paths, float weight,
                       v1::SearchRequest& request) {
  for (const std::string& path : paths) {
    auto bytes = ReadImageFile(path);
    if (!bytes.ok()) return bytes.status();
    v1::Example& example = *request.add_examples();
    example.set_image(*std::move(bytes));
    if (weight != 1) example.set_weight(weight);
  }
  return absl::OkStatus();
}

absl::StatusOr<v1::SearchRequest> BuildRequest(const SearchOptions& options) {
  v1::SearchRequest request;
  if (options.sketches.empty() && options.like.empty()) {
    return absl::InvalidArgumentError("nothing to search for: give a SKETCH or --like ID");
  }
  if (absl::Status s = AddImages(options.sketches, 1, request); !s.ok()) return s;
  if (absl::Status s = AddImages(options.not_sketches, -1, request); !s.ok()) return s;
  for (const std::string& photo_id : options.like) {
    if (absl::Status s = CheckPhotoId(photo_id, "--like"); !s.ok()) return s;
    request.add_examples()->set_photo_id(photo_id);
  }
  request.set_top_k(options.k);
  if (options.min_score) request.set_min_score(*options.min_score);
  auto filter = ParseFilter(options.filters, options.attributes);
  if (!filter.ok()) return filter.status();
  *request.mutable_filter() = *std::move(filter);
  request.set_with_attributes(true);
  return request;
}

// The attributes that are rather there than not, surest first.
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

void PrintMatches(const v1::SearchResponse& response, std::ostream& out) {
  std::vector<std::vector<std::string>> rows = {
      {">rank", ">score", "photo", "metadata", "attributes"}};
  for (const v1::Match& match : response.matches()) {
    rows.push_back({absl::StrCat(match.rank()), absl::StrFormat("%.4f", match.score()),
                    Printable(match.photo_id()), ToText(match.metadata()),
                    LikelyAttributes(match.attributes())});
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
    auto thumbnail = FetchThumbnail(client, options.like[0]);
    if (!thumbnail.ok()) return thumbnail.status();
    row.query.image = *std::move(thumbnail);
    row.query.first_line = absl::StrCat("like ", options.like[0]);
  }
  for (const v1::Match& match : response.matches()) {
    auto cell = MatchCell(client, match);
    if (!cell.ok()) return cell.status();
    row.matches.push_back(*std::move(cell));
  }
  auto png = DrawMontage({row});
  if (!png.ok()) return png.status();
  return WriteFile(options.montage, *png);
}

}  // namespace

absl::Status RunSearch(const SearchClient& client, const SearchOptions& options,
                       std::ostream& out) {
  auto request = BuildRequest(options);
  if (!request.ok()) return request.status();
  auto response = client.Search(*request);
  if (!response.ok()) return response.status();
  if (!options.montage.empty()) {
    if (absl::Status s = WriteMontage(client, options, *request, *response); !s.ok()) return s;
  }
  if (options.json) {
    out << ToJson(*response);
  } else {
    PrintMatches(*response, out);
  }
  return absl::OkStatus();
}

}  // namespace s2p
