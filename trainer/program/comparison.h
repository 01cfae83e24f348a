// The comparison of two models by what evaluate and cross-validate have measured.
#ifndef S2P_TRAINER_PROGRAM_COMPARISON_H_
#define S2P_TRAINER_PROGRAM_COMPARISON_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "s2p/v1/checkpoint.pb.h"
#include "trainer/evaluation/paired_comparison.h"
#include "trainer/program/measured_images.h"

namespace s2p {

// A model measured in one direction: either each query, or each split of a cross-validation.
struct MeasuredDirection {
  // Empty where an older program has not written it.
  std::string direction;
  std::vector<QueryResult> queries;
  int64_t gallery = 0;
  std::vector<v1::Evaluation> splits;
  // Describes the queries and their gallery; a split has the name of its data set.
  MeasuredImages images{};
};

// One measurement of one model. A value.
struct Measurement {
  // File or checkpoint, for messages.
  std::string name;
  std::vector<MeasuredDirection> directions;
};

// The evaluation's value of the metric, one of kQueryMetrics.
double MetricOf(const v1::Evaluation& evaluation, absl::string_view metric);

// Reads what `evaluate --details --json` or `cross-validate --json` has printed. NotFound;
// InvalidArgument naming the file and what is missing or wrong in it.
absl::StatusOr<Measurement> ReadMeasurement(const std::string& path);

struct DirectionComparison {
  std::string direction;
  // The kind of the groups of each difference: "identities" where queries were compared, "splits",
  // or "runs" where there is one split.
  std::string groups;
  // By name, in the order of kQueryMetrics, those that are known on both sides.
  std::vector<std::pair<std::string, PairedDifference>> metrics;
};

// Pairs the first of A with the first of B and so on (a seed or a fold each), and compares them in
// every direction that all have. Neither is empty. InvalidArgument if the numbers differ, one is of
// queries and one of splits, or they were not measured on the same queries, galleries or splits.
// Data sets may have equal paths and other images: where both sides say which images they were
// measured on, or at least the name of the data set, these must be equal, unless
// `across_data_sets`.
absl::StatusOr<std::vector<DirectionComparison>> CompareMeasurements(
    const std::vector<Measurement>& a, const std::vector<Measurement>& b,
    bool across_data_sets = false);

}  // namespace s2p

#endif  // S2P_TRAINER_PROGRAM_COMPARISON_H_
