#include <algorithm>
#include <nlohmann/json.hpp>
#include <unordered_map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "base/steady_time.h"
#include "client/commands/commands.h"
#include "client/files.h"
#include "client/labelled_set.h"
#include "client/montage.h"
#include "client/photo_thumbnail.h"
#include "client/progress.h"
#include "client/ranking_score.h"
#include "client/report.h"

namespace s2p {
namespace {

constexpr uint32_t kMostMatches = 1000;

// The items of the gallery that count for a data set.
struct LabelledGallery {
  int items = 0;
  std::unordered_map<std::string, int> items_of_identity;
};

// An item that names its data set belongs to that data set only: equal identity names in two data
// sets mean different things.
bool Shows(const google::protobuf::Map<std::string, std::string>& metadata,
           const std::string& data_set, std::string& identity) {
  const auto of_set = metadata.find("dataset");
  if (of_set != metadata.end() && of_set->second != data_set) return false;
  const auto named = metadata.find("identity");
  if (named == metadata.end()) return false;
  identity = named->second;
  return true;
}

absl::StatusOr<LabelledGallery> ReadGallery(const SearchClient& client, const std::string& data_set,
                                            v1::Modality modality) {
  LabelledGallery gallery;
  v1::ListPhotosRequest request;
  request.set_page_size(1000);
  request.mutable_filter()->set_modality(modality);
  do {
    S2P_ASSIGN_OR_RETURN(auto page, client.ListPhotos(request));
    for (const v1::Photo& photo : page.photos()) {
      ++gallery.items;
      std::string identity;
      if (Shows(photo.metadata(), data_set, identity)) ++gallery.items_of_identity[identity];
    }
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  if (gallery.items_of_identity.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat("the gallery has no item of the data set \"", data_set,
                     "\"; add them with: s2p gallery add --dataset DIR --split SPLIT"));
  }
  return gallery;
}

absl::StatusOr<v1::SearchResponse> SearchFor(const SearchClient& client, const std::string& bytes,
                                             v1::Modality query, v1::Modality wanted,
                                             uint32_t top_k) {
  v1::SearchRequest request;
  v1::Example& example = *request.add_examples();
  example.set_image(bytes);
  example.set_modality(query);
  request.set_top_k(top_k);
  request.mutable_filter()->set_modality(wanted);
  return client.Search(request);
}

std::vector<RankedItem> ToRanking(const v1::SearchResponse& response, const std::string& data_set,
                                  const std::string& identity) {
  std::vector<RankedItem> ranking;
  for (const v1::Match& match : response.matches()) {
    std::string shown;
    const bool is_match = Shows(match.metadata(), data_set, shown) && shown == identity;
    ranking.push_back({match.score(), is_match});
  }
  return ranking;
}

absl::StatusOr<MontageRow> DrawnRow(const SearchClient& client, const std::string& query,
                                    const std::string& name, const v1::SearchResponse& response,
                                    const std::vector<RankedItem>& ranking) {
  constexpr int kShown = 7;
  MontageRow row;
  row.query.image = query;
  row.query.first_line = name;
  for (int i = 0; i < std::min(kShown, response.matches_size()); ++i) {
    S2P_ASSIGN_OR_RETURN(auto cell, MatchCell(client, response.matches(i)));
    cell.correct = ranking[i].is_match;
    row.matches.push_back(std::move(cell));
  }
  return row;
}

void PrintScore(const RankingScore& score, int gallery, absl::Duration took, std::ostream& out) {
  out << absl::StrFormat("%d queries, %d in the gallery", score.queries(), gallery);
  if (score.unmatched() > 0) {
    out << ", " << score.unmatched() << " more without a match (not counted)";
  }
  out << absl::StrFormat(" (%.1f s)\n", absl::ToDoubleSeconds(took));
  for (size_t i = 0; i < RankingScore::kRanks.size(); ++i) {
    out << absl::StrFormat("rank-%-2d  %5.1f %%\n", RankingScore::kRanks[i], 100 * score.rank(i));
  }
  if (const auto map = score.mean_average_precision()) {
    out << absl::StrFormat("mAP      %5.1f %%\n", 100 * *map);
  } else {
    out << "mAP      unknown: a search returns at most " << kMostMatches << " matches\n";
  }
}

std::string ScoreJson(const RankingScore& score, int gallery) {
  nlohmann::ordered_json json;
  json["queries"] = score.queries();
  json["gallery"] = gallery;
  json["unmatched"] = score.unmatched();
  for (size_t i = 0; i < RankingScore::kRanks.size(); ++i) {
    json[absl::StrCat("rank", RankingScore::kRanks[i])] = score.rank(i);
  }
  const auto map = score.mean_average_precision();
  json["mAP"] = map ? nlohmann::ordered_json(*map) : nlohmann::ordered_json(nullptr);
  return json.dump() + "\n";
}

absl::StatusOr<std::vector<LabelledImage>> Queries(const LabelledSet& set, v1::Modality modality) {
  std::vector<LabelledImage> queries;
  for (const LabelledImage& image : set.images) {
    if (image.modality == modality) queries.push_back(image);
  }
  if (queries.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat(set.folder, ": the split \"", set.split, "\" has no queries"));
  }
  return queries;
}

}  // namespace

absl::Status RunEval(const SearchClient& client, const EvalOptions& options, std::ostream& out) {
  v1::Modality query = v1::MODALITY_SKETCH, wanted = v1::MODALITY_PHOTO;
  if (options.direction == "photo-to-sketch") {
    std::swap(query, wanted);
  } else if (options.direction != "sketch-to-photo") {
    return absl::InvalidArgumentError(absl::StrCat(
        "--direction ", options.direction, ": expected sketch-to-photo or photo-to-sketch"));
  }
  S2P_ASSIGN_OR_RETURN(const auto set, ReadLabelledSet(options.dataset, options.split));
  S2P_ASSIGN_OR_RETURN(const auto queries, Queries(set, query));
  S2P_ASSIGN_OR_RETURN(const auto gallery, ReadGallery(client, set.name, wanted));
  const uint32_t top_k = std::min<uint32_t>(kMostMatches, static_cast<uint32_t>(gallery.items));

  const size_t rows = std::max<size_t>(1, std::min<size_t>(options.montage_rows, queries.size()));
  std::vector<MontageRow> drawn;
  RankingScore score;
  const SteadyTime start = SteadyTime::Now();
  {
    Progress progress("searching", queries.size());
    for (size_t i = 0; i < queries.size(); ++i) {
      const LabelledImage& image = queries[i];
      S2P_ASSIGN_OR_RETURN(const auto bytes,
                           ReadImageFile(absl::StrCat(set.folder, "/", image.path)));
      const auto response = SearchFor(client, bytes, query, wanted, top_k);
      if (!response.ok()) {
        return absl::Status(response.status().code(),
                            absl::StrCat(image.path, ": ", response.status().message()));
      }
      const auto ranking = ToRanking(*response, set.name, image.identity);
      const auto matches = gallery.items_of_identity.find(image.identity);
      score.Add(ranking, matches == gallery.items_of_identity.end() ? 0 : matches->second);
      if (!options.montage.empty() && i == drawn.size() * queries.size() / rows &&
          drawn.size() < rows) {
        S2P_ASSIGN_OR_RETURN(auto row, DrawnRow(client, bytes, image.path, *response, ranking));
        drawn.push_back(std::move(row));
      }
      progress.Advance();
    }
  }
  if (!options.montage.empty()) {
    S2P_ASSIGN_OR_RETURN(const auto png, DrawMontage(drawn));
    S2P_RETURN_IF_ERROR(WriteFile(options.montage, png));
  }
  if (options.json) {
    out << ScoreJson(score, gallery.items);
  } else {
    PrintScore(score, gallery.items, SteadyTime::Now() - start, out);
  }
  return absl::OkStatus();
}

}  // namespace s2p
