// Reading what evaluation_report.cc writes.
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/file.h"
#include "trainer/evaluation/evaluator.h"
#include "trainer/program/comparison.h"

namespace s2p {
namespace {

using Json = nlohmann::json;

// A query is about 200 bytes.
constexpr uint64_t kMaxFileBytes = uint64_t{1} << 30;

std::optional<double> Known(const Json& query, const char* name) {
  const auto found = query.find(name);
  if (found == query.end()) return std::nullopt;
  return found->get<double>();
}

MeasuredDirection DetailsOf(const Json& json) {
  MeasuredDirection measured;
  measured.direction = json.value("direction", "");
  measured.gallery = json.at("gallery").get<int64_t>();
  measured.images = {json.value("dataset", ""), json.value("imagesSha256", "")};
  for (const Json& query : json.at("ranks")) {
    QueryResult result;
    result.path = query.at("path").get<std::string>();
    result.identity = query.at("identity").get<std::string>();
    result.rank = query.at("rank").is_null() ? 0 : query.at("rank").get<int>();
    result.average_precision = Known(query, "averagePrecision");
    result.inverse_negative_penalty = Known(query, "inverseNegativePenalty");
    measured.queries.push_back(std::move(result));
  }
  return measured;
}

v1::Evaluation EvaluationOf(const Json& json) {
  v1::Evaluation evaluation;
  evaluation.set_dataset(json.value("dataset", ""));
  evaluation.set_queries(json.at("queries").get<uint32_t>());
  evaluation.set_rank1(json.at("rank1").get<double>());
  evaluation.set_rank5(json.at("rank5").get<double>());
  evaluation.set_rank10(json.at("rank10").get<double>());
  evaluation.set_rank20(json.at("rank20").get<double>());
  evaluation.set_mean_average_precision(json.at("mAP").get<double>());
  evaluation.set_mean_inverse_negative_penalty(json.at("mINP").get<double>());
  return evaluation;
}

std::vector<MeasuredDirection> SplitsOf(const Json& json) {
  std::vector<MeasuredDirection> directions;
  for (const char* direction : {kSketchToPhoto, kPhotoToSketch}) {
    MeasuredDirection measured;
    measured.direction = direction;
    for (const Json& split : json.at("splits")) {
      measured.splits.push_back(EvaluationOf(split.at(direction)));
    }
    directions.push_back(std::move(measured));
  }
  return directions;
}

}  // namespace

absl::StatusOr<Measurement> ReadMeasurement(const std::string& path) {
  S2P_ASSIGN_OR_RETURN(const auto text, ReadWholeFile(path, kMaxFileBytes));
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) {
    return absl::InvalidArgumentError(absl::StrCat(
        path, ": is not the JSON that s2p-trainer evaluate or cross-validate prints with --json"));
  }
  Measurement measurement;
  measurement.name = path;
  try {
    if (json.contains("splits")) {
      measurement.directions = SplitsOf(json);
    } else if (json.contains("ranks")) {
      measurement.directions.push_back(DetailsOf(json));
    } else {
      return absl::InvalidArgumentError(absl::StrCat(path,
                                                     ": does not say how each query did; write it "
                                                     "with s2p-trainer evaluate --details --json"));
    }
  } catch (const Json::exception& error) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": ", error.what()));
  }
  return measurement;
}

}  // namespace s2p
