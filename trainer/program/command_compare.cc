#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/checkpoint.h"
#include "trainer/data/data_set.h"
#include "trainer/evaluation/checkpoint_evaluation.h"
#include "trainer/evaluation/evaluator.h"
#include "trainer/program/commands.h"
#include "trainer/program/comparison.h"
#include "trainer/program/evaluation_report.h"

namespace s2p {
namespace {

absl::StatusOr<Measurement> MeasureCheckpoint(const std::string& folder,
                                              const CompareOptions& options) {
  if (options.dataset.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--dataset: is needed to measure the checkpoint ", folder));
  }
  S2P_ASSIGN_OR_RETURN(const auto data_set, DataSet::Open(options.dataset));
  S2P_ASSIGN_OR_RETURN(const auto images, ImagesOfSplit(data_set, options.split));
  S2P_ASSIGN_OR_RETURN(const auto checkpoint, ReadCheckpoint(folder));
  S2P_ASSIGN_OR_RETURN(const auto network,
                       LoadNetworks(checkpoint, {options.device, options.threads}));
  S2P_ASSIGN_OR_RETURN(const auto set,
                       LoadEvaluationSet(data_set, images, checkpoint.manifest, options.threads));
  const MeasuredImages measured_on = MeasuredImagesOf(data_set, images, options.threads);
  Measurement measurement;
  measurement.name = folder;
  for (const char* direction : {kSketchToPhoto, kPhotoToSketch}) {
    S2P_ASSIGN_OR_RETURN(const auto result, Evaluate(*network, set, direction));
    measurement.directions.push_back(
        {direction, QueriesOf(result), result.evaluation.gallery(), {}, measured_on});
  }
  return measurement;
}

absl::StatusOr<std::vector<Measurement>> MeasureAll(const std::vector<std::string>& names,
                                                    const CompareOptions& options) {
  std::vector<Measurement> measurements;
  for (const std::string& name : names) {
    std::error_code error;
    auto measurement = std::filesystem::is_directory(name, error) ? MeasureCheckpoint(name, options)
                                                                  : ReadMeasurement(name);
    if (!measurement.ok()) return measurement.status();
    measurements.push_back(*std::move(measurement));
  }
  return measurements;
}

}  // namespace

absl::Status RunCompare(const CompareOptions& options, std::ostream& out) {
  if (options.a.empty() || options.b.empty()) {
    return absl::InvalidArgumentError(
        "say what to compare: --a and --b, each a checkpoint's folder, or a file that evaluate "
        "--details --json or cross-validate --json has written");
  }
  S2P_ASSIGN_OR_RETURN(const auto a, MeasureAll(options.a, options));
  S2P_ASSIGN_OR_RETURN(const auto b, MeasureAll(options.b, options));
  S2P_ASSIGN_OR_RETURN(const auto comparisons, CompareMeasurements(a, b, options.across_data_sets));
  out << (options.json ? ComparisonJson(comparisons) : ComparisonTable(comparisons));
  return absl::OkStatus();
}

}  // namespace s2p
