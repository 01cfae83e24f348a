#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "model/checkpoint.h"
#include "trainer/checkpoint_evaluation.h"
#include "trainer/commands.h"
#include "trainer/data_set.h"
#include "trainer/edge_correlation.h"
#include "trainer/evaluator.h"
#include "trainer/training_display.h"

namespace s2p {
namespace {

absl::StatusOr<v1::Evaluation> OfCheckpoint(const EvaluateOptions& options,
                                            const DataSet& data_set) {
  const auto images = ImagesOfSplit(data_set, options.split);
  if (!images.ok()) return images.status();
  const auto checkpoint = ReadCheckpoint(options.checkpoint);
  if (!checkpoint.ok()) return checkpoint.status();
  auto result = EvaluateCheckpoint(*checkpoint, data_set, *images, options.direction,
                                   {options.device, options.threads});
  if (!result.ok()) return result.status();
  return result->evaluation;
}

std::string ToJson(const v1::Evaluation& evaluation) {
  nlohmann::ordered_json json;
  json["queries"] = evaluation.queries();
  json["gallery"] = evaluation.gallery();
  json["unmatched"] = evaluation.unmatched();
  json["rank1"] = evaluation.rank1();
  json["rank5"] = evaluation.rank5();
  json["rank10"] = evaluation.rank10();
  json["rank20"] = evaluation.rank20();
  json["mAP"] = evaluation.mean_average_precision();
  return json.dump() + "\n";
}

}  // namespace

absl::Status RunEvaluate(const EvaluateOptions& options, std::ostream& out) {
  if (options.checkpoint.empty() == options.baseline.empty()) {
    return absl::InvalidArgumentError(
        "say what to evaluate: --checkpoint DIR/VERSION or --baseline edge-correlation");
  }
  const auto data_set = DataSet::Open(options.dataset);
  if (!data_set.ok()) return data_set.status();
  auto evaluation = options.baseline.empty()
                        ? OfCheckpoint(options, *data_set)
                        : EvaluateEdgeCorrelation(*data_set, options.split, options.direction);
  if (!evaluation.ok()) return evaluation.status();
  evaluation->set_split(options.split);
  out << (options.json ? ToJson(*evaluation) : EvaluationTable({*evaluation}));
  return absl::OkStatus();
}

}  // namespace s2p
