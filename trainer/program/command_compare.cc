#include <filesystem>
#include <optional>
#include <utility>
#include <vector>

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

// Measures checkpoints on the split of the options, which is read with the first of them.
class CheckpointMeter {
 public:
  explicit CheckpointMeter(const CompareOptions& options) : options_(options) {}

  absl::StatusOr<Measurement> Measure(const std::string& folder) {
    if (options_.dataset.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("--dataset: is needed to measure the checkpoint ", folder));
    }
    if (!data_set_) S2P_RETURN_IF_ERROR(Open());
    S2P_ASSIGN_OR_RETURN(const auto checkpoint, ReadCheckpoint(folder));
    S2P_ASSIGN_OR_RETURN(const auto network,
                         LoadNetworks(checkpoint, {options_.device, options_.threads}));
    S2P_ASSIGN_OR_RETURN(const auto set, LoadEvaluationSet(*data_set_, images_, checkpoint.manifest,
                                                           options_.threads));
    Measurement measurement;
    measurement.name = folder;
    for (const char* direction : {kSketchToPhoto, kPhotoToSketch}) {
      S2P_ASSIGN_OR_RETURN(const auto result, Evaluate(*network, set, direction));
      measurement.directions.push_back(
          {direction, QueriesOf(result), result.evaluation.gallery(), {}, measured_on_});
    }
    return measurement;
  }

 private:
  absl::Status Open() {
    S2P_ASSIGN_OR_RETURN(auto data_set, DataSet::Open(options_.dataset));
    S2P_ASSIGN_OR_RETURN(images_, ImagesOfSplit(data_set, options_.split));
    measured_on_ = MeasuredImagesOf(data_set, images_, options_.threads);
    data_set_.emplace(std::move(data_set));
    return absl::OkStatus();
  }

  const CompareOptions& options_;
  std::optional<DataSet> data_set_;
  std::vector<DataSetImage> images_;
  MeasuredImages measured_on_;
};

absl::StatusOr<std::vector<Measurement>> MeasureAll(const std::vector<std::string>& names,
                                                    CheckpointMeter& meter) {
  std::vector<Measurement> measurements;
  for (const std::string& name : names) {
    std::error_code error;
    auto measurement =
        std::filesystem::is_directory(name, error) ? meter.Measure(name) : ReadMeasurement(name);
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
  CheckpointMeter meter(options);
  S2P_ASSIGN_OR_RETURN(const auto a, MeasureAll(options.a, meter));
  S2P_ASSIGN_OR_RETURN(const auto b, MeasureAll(options.b, meter));
  S2P_ASSIGN_OR_RETURN(const auto comparisons, CompareMeasurements(a, b, options.across_data_sets));
  out << (options.json ? ComparisonJson(comparisons) : ComparisonTable(comparisons));
  return absl::OkStatus();
}

}  // namespace s2p
