// Two models, A and B, measured on the same queries: how much better B is, and how sure that is.
#ifndef S2P_TRAINER_EVALUATION_PAIRED_COMPARISON_H_
#define S2P_TRAINER_EVALUATION_PAIRED_COMPARISON_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "trainer/evaluation/evaluator.h"

namespace s2p {

// The metrics that have a value for each query, by their names in JSON.
inline constexpr absl::string_view kQueryMetrics[] = {"rank1",  "rank5", "rank10",
                                                      "rank20", "mAP",   "mINP"};

// How one model did on one query. A value.
struct QueryResult {
  // Names the query.
  std::string path;
  std::string identity;
  // Rank of the first true match, from 1; 0 without one.
  int rank = 0;
  // Unset where it is not known.
  std::optional<double> average_precision;
  std::optional<double> inverse_negative_penalty;
};

// In the order of the result's rows.
std::vector<QueryResult> QueriesOf(const EvaluationResult& result);

// The query's term of the metric, whose mean over the matched queries is the metric: 1 or 0 for
// "rank1" and its like, the average precision for "mAP". Unset if it is not known, or the metric is
// none of kQueryMetrics.
std::optional<double> ValueOf(const QueryResult& query, absl::string_view metric);

// One measurement that both models have. Observations of one group are not independent: several
// sketches of one photo, or one fold with several seeds.
struct PairedValue {
  double a = 0;
  double b = 0;
  std::string group;
};

// The values of one metric for each query with a true match, in the order of `a`, grouped by
// identity. InvalidArgument if the queries are not the same, or one has a true match for one model
// alone: then the galleries differ. Empty if the metric is not known for every query.
absl::StatusOr<std::vector<PairedValue>> PairQueries(const std::vector<QueryResult>& a,
                                                     const std::vector<QueryResult>& b,
                                                     absl::string_view metric);

struct PairedDifference {
  // The means over all values.
  double a = 0;
  double b = 0;
  // The mean of b - a.
  double difference = 0;
  int64_t values = 0;
  int64_t groups = 0;
  // Standard error of the difference: sqrt(G / (G - 1) * sum over the G groups of (sum of d -
  // difference)^2) / n, the cluster-robust error of a mean, which is s / sqrt(n) where each group
  // has one value. Unset for fewer than two groups, and so are the ends of the interval.
  std::optional<double> standard_error;
  // 95 % interval: the difference and Student's t with G - 1 degrees of freedom.
  std::optional<double> low;
  std::optional<double> high;
};

// Requires at least one value.
PairedDifference DifferenceOf(const std::vector<PairedValue>& values);

// The paired bootstrap (P. Koehn, EMNLP 2004): share of 10,000 resamplings of the groups, with
// replacement, in which the mean of b - a is above 0 and at least `least`. NaN is never better.
// Depends on its arguments alone. Requires at least one value.
double BootstrapConfidence(const std::vector<PairedValue>& values, double least);

// The share of those resamplings in which the mean of b - a is at least -tolerance. NaN counts as
// worse. Requires at least one value, and tolerance >= 0.
double BootstrapNotWorse(const std::vector<PairedValue>& values, double tolerance);

// The 97.5 % quantile of Student's t distribution, to 0.001. Requires degrees >= 1.
double StudentQuantile(int64_t degrees);

}  // namespace s2p

#endif  // S2P_TRAINER_EVALUATION_PAIRED_COMPARISON_H_
