#include "trainer/program/comparison.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace s2p {
namespace {

const MeasuredDirection* Find(const Measurement& measurement, const std::string& direction) {
  const auto found = std::find_if(
      measurement.directions.begin(), measurement.directions.end(),
      [&](const MeasuredDirection& measured) { return measured.direction == direction; });
  return found == measurement.directions.end() ? nullptr : &*found;
}

absl::Status Differ(const Measurement& a, const Measurement& b, const std::string& how) {
  return absl::InvalidArgumentError(absl::StrCat(a.name, " and ", b.name, ": ", how));
}

// Two measurements in one direction, of the same things.
struct Pair {
  const MeasuredDirection* a;
  const MeasuredDirection* b;
};

constexpr char kInsist[] = "; compare them all the same with --across-data-sets";

absl::Status CheckNames(const Measurement& a, const Measurement& b, const std::string& name_of_a,
                        const std::string& name_of_b) {
  if (name_of_a.empty() || name_of_b.empty() || name_of_a == name_of_b) return absl::OkStatus();
  return Differ(a, b,
                absl::StrCat("measured on the data sets \"", name_of_a, "\" and \"", name_of_b,
                             "\"", kInsist));
}

// The digest is sure, the name is what older files have.
absl::Status CheckImages(const Measurement& a, const Measurement& b, const Pair& pair) {
  const MeasuredImages& of_a = pair.a->images;
  const MeasuredImages& of_b = pair.b->images;
  for (size_t i = 0; i < pair.a->splits.size(); ++i) {
    S2P_RETURN_IF_ERROR(CheckNames(a, b, pair.a->splits[i].dataset(), pair.b->splits[i].dataset()));
  }
  if (of_a.sha256.empty() || of_b.sha256.empty()) {
    return CheckNames(a, b, of_a.dataset, of_b.dataset);
  }
  if (of_a.sha256 == of_b.sha256) return absl::OkStatus();
  return Differ(
      a, b,
      absl::StrCat("measured on different images, although their paths are the same", kInsist));
}

absl::Status CheckPair(const Measurement& a, const Measurement& b, const Pair& pair) {
  if (pair.a->splits.empty() != pair.b->splits.empty()) {
    return Differ(a, b, "one has queries, the other has splits of a cross-validation");
  }
  if (pair.a->gallery != pair.b->gallery) {
    return Differ(a, b,
                  absl::StrCat("measured on galleries of ", pair.a->gallery, " and ",
                               pair.b->gallery, " images; measure both on the same data set"));
  }
  if (pair.a->splits.size() != pair.b->splits.size()) {
    return Differ(a, b,
                  absl::StrCat("cross-validations of ", pair.a->splits.size(), " and ",
                               pair.b->splits.size(), " splits"));
  }
  for (size_t i = 0; i < pair.a->splits.size(); ++i) {
    if (pair.a->splits[i].queries() == pair.b->splits[i].queries()) continue;
    return Differ(a, b,
                  absl::StrCat("split ", i + 1, " has ", pair.a->splits[i].queries(), " and ",
                               pair.b->splits[i].queries(), " queries; use the same splits"));
  }
  return absl::OkStatus();
}

// Group by split, so that runs with several seeds do not count as further splits; by run if there
// is no other split.
std::vector<PairedValue> PairSplits(const Pair& pair, size_t run, absl::string_view metric) {
  const bool one_split = pair.a->splits.size() == 1;
  std::vector<PairedValue> values;
  for (size_t i = 0; i < pair.a->splits.size(); ++i) {
    values.push_back({MetricOf(pair.a->splits[i], metric), MetricOf(pair.b->splits[i], metric),
                      absl::StrCat(one_split ? run : i)});
  }
  return values;
}

absl::StatusOr<std::vector<PairedValue>> ValuesOf(const std::vector<Pair>& pairs,
                                                  absl::string_view metric) {
  std::vector<PairedValue> all;
  for (size_t run = 0; run < pairs.size(); ++run) {
    std::vector<PairedValue> values;
    if (pairs[run].a->splits.empty()) {
      S2P_ASSIGN_OR_RETURN(values,
                           PairQueries(pairs[run].a->queries, pairs[run].b->queries, metric));
      // A mean over a part of the runs would look like one over all.
      if (values.empty()) return values;
    } else {
      values = PairSplits(pairs[run], run, metric);
    }
    all.insert(all.end(), values.begin(), values.end());
  }
  return all;
}

absl::StatusOr<DirectionComparison> CompareDirection(const std::vector<Pair>& pairs) {
  DirectionComparison comparison;
  const MeasuredDirection& first = *pairs[0].a;
  comparison.direction = first.direction;
  comparison.groups = first.splits.empty()       ? "identities"
                      : first.splits.size() == 1 ? "runs"
                                                 : "splits";
  for (const absl::string_view metric : kQueryMetrics) {
    S2P_ASSIGN_OR_RETURN(const auto values, ValuesOf(pairs, metric));
    if (!values.empty()) comparison.metrics.emplace_back(metric, DifferenceOf(values));
  }
  return comparison;
}

}  // namespace

double MetricOf(const v1::Evaluation& evaluation, absl::string_view metric) {
  if (metric == "rank1") return evaluation.rank1();
  if (metric == "rank5") return evaluation.rank5();
  if (metric == "rank10") return evaluation.rank10();
  if (metric == "rank20") return evaluation.rank20();
  if (metric == "mAP") return evaluation.mean_average_precision();
  return evaluation.mean_inverse_negative_penalty();
}

absl::StatusOr<std::vector<DirectionComparison>> CompareMeasurements(
    const std::vector<Measurement>& a, const std::vector<Measurement>& b, bool across_data_sets) {
  if (a.size() != b.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("A has ", a.size(), " measurements and B ", b.size(),
                     "; each of A is compared with the one of B in its place"));
  }
  std::vector<DirectionComparison> comparisons;
  for (const MeasuredDirection& direction : a[0].directions) {
    std::vector<Pair> pairs;
    for (size_t i = 0; i < a.size(); ++i) {
      const Pair pair = {Find(a[i], direction.direction), Find(b[i], direction.direction)};
      if (pair.a == nullptr || pair.b == nullptr) break;
      S2P_RETURN_IF_ERROR(CheckPair(a[i], b[i], pair));
      if (!across_data_sets) {
        S2P_RETURN_IF_ERROR(CheckImages(a[i], b[i], pair));
      }
      pairs.push_back(pair);
    }
    if (pairs.size() < a.size()) continue;
    S2P_ASSIGN_OR_RETURN(auto comparison, CompareDirection(pairs));
    if (!comparison.metrics.empty()) comparisons.push_back(std::move(comparison));
  }
  if (!comparisons.empty()) return comparisons;
  return absl::InvalidArgumentError(
      "A and B have no direction with a matched query in common: measure both with the same "
      "--direction");
}

}  // namespace s2p
