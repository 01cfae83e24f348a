#include "trainer/program/evaluation_report.h"

#include <nlohmann/json.hpp>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

namespace s2p {
namespace {

using Json = nlohmann::ordered_json;

Json FractionsOf(const v1::Evaluation& evaluation) {
  return {{"rank1", evaluation.rank1()},
          {"rank5", evaluation.rank5()},
          {"rank10", evaluation.rank10()},
          {"rank20", evaluation.rank20()},
          {"mAP", evaluation.mean_average_precision()},
          {"mINP", evaluation.mean_inverse_negative_penalty()}};
}

void AddRetrieval(const EvaluationResult& result, bool details, const std::string& images_sha256,
                  Json& json) {
  const v1::Evaluation& evaluation = result.evaluation;
  json["queries"] = evaluation.queries();
  json["gallery"] = evaluation.gallery();
  json["unmatched"] = evaluation.unmatched();
  json["rank1"] = evaluation.rank1();
  json["rank5"] = evaluation.rank5();
  json["rank10"] = evaluation.rank10();
  json["rank20"] = evaluation.rank20();
  json["mAP"] = evaluation.mean_average_precision();
  if (!details) return;
  json["mINP"] = evaluation.mean_inverse_negative_penalty();
  json["dataset"] = evaluation.dataset();
  if (!images_sha256.empty()) json["imagesSha256"] = images_sha256;
  json["split"] = evaluation.split();
  json["direction"] = evaluation.direction();
  json["ranks"] = Json::array();
  for (size_t q = 0; q < result.first_match_rank.size(); ++q) {
    Json query;
    query["path"] = result.query_paths[q];
    query["identity"] = result.query_identities[q];
    if (result.first_match_rank[q] == 0) {
      query["rank"] = nullptr;
    } else {
      query["rank"] = result.first_match_rank[q];
    }
    query["averagePrecision"] = result.average_precision[q];
    query["inverseNegativePenalty"] = result.inverse_negative_penalty[q];
    json["ranks"].push_back(query);
  }
}

}  // namespace

std::string EvaluationJson(const std::optional<EvaluationResult>& retrieval,
                           const std::vector<AttributeAccuracy>& attributes, bool details,
                           const std::string& images_sha256) {
  Json json;
  if (retrieval) AddRetrieval(*retrieval, details, images_sha256, json);
  for (const AttributeAccuracy& attribute : attributes) {
    json["attributes"].push_back({{"name", attribute.name},
                                  {"known", attribute.known},
                                  {"positives", attribute.positives},
                                  {"accuracy", attribute.accuracy},
                                  {"balancedAccuracy", attribute.balanced_accuracy}});
  }
  return json.dump() + "\n";
}

std::string AttributeTable(const std::vector<AttributeAccuracy>& attributes) {
  if (attributes.empty()) return "";
  std::string table = absl::StrFormat("%-34s %7s %9s %9s %9s\n", "attribute", "known", "positive",
                                      "accuracy", "balanced");
  for (const AttributeAccuracy& attribute : attributes) {
    absl::StrAppendFormat(&table, "%-34s %7d %9d %8.1f%% %8.1f%%\n", attribute.name,
                          attribute.known, attribute.positives, 100 * attribute.accuracy,
                          100 * attribute.balanced_accuracy);
  }
  return table;
}

std::string CrossValidationJson(const std::vector<DirectionResult>& directions) {
  Json json;
  for (size_t split = 0; !directions.empty() && split < directions[0].splits.size(); ++split) {
    Json measured;
    for (const DirectionResult& direction : directions) {
      const v1::Evaluation& evaluation = direction.splits[split];
      measured[evaluation.direction()] = FractionsOf(evaluation);
      measured[evaluation.direction()]["queries"] = evaluation.queries();
      measured[evaluation.direction()]["dataset"] = evaluation.dataset();
    }
    json["splits"].push_back(measured);
  }
  for (const DirectionResult& direction : directions) {
    json["mean"][direction.spread.mean.direction()] = FractionsOf(direction.spread.mean);
    json["deviation"][direction.spread.mean.direction()] = FractionsOf(direction.spread.deviation);
  }
  return json.dump() + "\n";
}

std::string CrossValidationTable(const std::vector<DirectionResult>& directions) {
  // Each cell is as wide as "100.0 ± 10.0 %".
  std::string table = absl::StrFormat("%-24s %14s %14s %14s %14s %14s\n", "", "rank-1", "rank-5",
                                      "rank-10", "rank-20", "mAP");
  for (const DirectionResult& direction : directions) {
    absl::StrAppendFormat(&table, "%-24s", direction.spread.mean.direction());
    for (const auto get : {&v1::Evaluation::rank1, &v1::Evaluation::rank5, &v1::Evaluation::rank10,
                           &v1::Evaluation::rank20, &v1::Evaluation::mean_average_precision}) {
      absl::StrAppendFormat(&table, " %5.1f ± %4.1f %%", 100 * (direction.spread.mean.*get)(),
                            100 * (direction.spread.deviation.*get)());
    }
    table += '\n';
  }
  return table;
}

std::string ComparisonJson(const std::vector<DirectionComparison>& comparisons) {
  const auto or_null = [](const std::optional<double>& value) {
    return value ? Json(*value) : Json(nullptr);
  };
  Json json;
  for (const DirectionComparison& comparison : comparisons) {
    Json& direction = json[comparison.direction];
    direction["groups"] = comparison.groups;
    for (const auto& [metric, difference] : comparison.metrics) {
      direction["metrics"][metric] = {{"a", difference.a},
                                      {"b", difference.b},
                                      {"difference", difference.difference},
                                      {"standardError", or_null(difference.standard_error)},
                                      {"low", or_null(difference.low)},
                                      {"high", or_null(difference.high)},
                                      {"values", difference.values},
                                      {"groups", difference.groups}};
    }
  }
  return json.dump() + "\n";
}

std::string ComparisonTable(const std::vector<DirectionComparison>& comparisons) {
  std::string table;
  for (const DirectionComparison& comparison : comparisons) {
    const PairedDifference& first = comparison.metrics[0].second;
    absl::StrAppendFormat(&table, "%s%s: %d %s of %d %s\n%-8s %8s %8s %7s %6s   %s\n",
                          table.empty() ? "" : "\n", comparison.direction, first.values,
                          comparison.groups == "identities" ? "queries" : "values", first.groups,
                          comparison.groups, "", "A", "B", "B - A", "s.e.", "95 % interval");
    for (const auto& [metric, difference] : comparison.metrics) {
      absl::StrAppendFormat(&table, "%-8s %6.1f %% %6.1f %% %+7.1f", metric, 100 * difference.a,
                            100 * difference.b, 100 * difference.difference);
      if (difference.standard_error) {
        absl::StrAppendFormat(&table, " %6.1f   %+.1f to %+.1f", 100 * *difference.standard_error,
                              100 * *difference.low, 100 * *difference.high);
      }
      table += '\n';
    }
  }
  return table;
}

std::string AttributeSelectionJson(const std::vector<SelectedAttribute>& attributes) {
  Json json;
  json["attributes"] = Json::array();
  for (const SelectedAttribute& attribute : attributes) {
    json["attributes"].push_back({{"name", attribute.back.name},
                                  {"accuracy", attribute.back.accuracy},
                                  {"balancedAccuracy", attribute.back.balanced_accuracy},
                                  {"predictedShare", attribute.predicted_share},
                                  {"kept", attribute.kept}});
  }
  return json.dump() + "\n";
}

std::string AttributeSelectionTable(const std::vector<SelectedAttribute>& attributes) {
  std::string table =
      absl::StrFormat("%-34s %10s %12s %12s\n", "attribute", "predicted", "back: acc.", "balanced");
  for (const SelectedAttribute& attribute : attributes) {
    absl::StrAppendFormat(&table, "%-34s %9.1f%% %11.1f%% %11.1f%%  %s\n", attribute.back.name,
                          100 * attribute.predicted_share, 100 * attribute.back.accuracy,
                          100 * attribute.back.balanced_accuracy, attribute.kept ? "keep" : "drop");
  }
  return absl::StrCat(table, KeptAttributesFlag(attributes), "\n");
}

std::string KeptAttributesFlag(const std::vector<SelectedAttribute>& attributes) {
  std::vector<std::string> kept, lines;
  bool plain = true;
  for (const SelectedAttribute& attribute : attributes) {
    if (!attribute.kept) continue;
    kept.push_back(attribute.back.name);
    lines.push_back(absl::StrCat("attributes: \"", absl::CEscape(attribute.back.name), "\""));
    plain = plain && attribute.back.name.find_first_of(",'") == std::string::npos;
  }
  if (kept.empty()) return "no attribute is kept: train with --set loss.attribute=0";
  if (!plain)
    return absl::StrCat("to train on those, in the spec's file: ", absl::StrJoin(lines, " "));
  return absl::StrCat("to train on those: --set 'attributes=", absl::StrJoin(kept, ","), "'");
}

}  // namespace s2p
