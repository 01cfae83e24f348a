#include "trainer/evaluation/paired_comparison.h"

#include <cmath>
#include <functional>
#include <map>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/check.h"
#include "trainer/data/random.h"

namespace s2p {
namespace {

constexpr int kResamplings = 10'000;
constexpr uint64_t kBootstrapSeed = 1;

// Sum of b - a and number of values of one group.
struct GroupSum {
  double difference = 0;
  int64_t values = 0;
};

std::vector<GroupSum> SumsOfGroups(const std::vector<PairedValue>& values) {
  std::vector<GroupSum> sums;
  std::map<std::string, size_t> numbers;
  for (const PairedValue& value : values) {
    const size_t number = numbers.emplace(value.group, sums.size()).first->second;
    if (number == sums.size()) sums.emplace_back();
    sums[number].difference += value.b - value.a;
    ++sums[number].values;
  }
  return sums;
}

absl::Status OtherQueries(size_t of_a, size_t of_b, const std::string& example) {
  return absl::InvalidArgumentError(
      absl::StrCat("A and B were not measured on the same queries (", of_a, " and ", of_b,
                   "; only one of them has \"", example,
                   "\"): measure both on the same split of the same data set"));
}

// The query of B with the path of each of A's.
absl::StatusOr<std::vector<const QueryResult*>> PartnersOf(const std::vector<QueryResult>& a,
                                                           const std::vector<QueryResult>& b) {
  std::map<absl::string_view, const QueryResult*> by_path;
  for (const QueryResult& query : b) by_path[query.path] = &query;
  std::vector<const QueryResult*> partners;
  for (const QueryResult& query : a) {
    const auto found = by_path.find(query.path);
    if (found == by_path.end()) return OtherQueries(a.size(), b.size(), query.path);
    partners.push_back(found->second);
    by_path.erase(found);
  }
  if (by_path.empty()) return partners;
  return OtherQueries(a.size(), b.size(), std::string(by_path.begin()->first));
}

// The share of the resamplings of the groups whose mean of b - a passes.
double ShareOfResamplings(const std::vector<PairedValue>& values,
                          const std::function<bool(double)>& passes) {
  S2P_CHECK(!values.empty());
  const std::vector<GroupSum> groups = SumsOfGroups(values);
  const auto count = static_cast<int>(groups.size());
  Random random(kBootstrapSeed);
  int passed = 0;
  for (int resampling = 0; resampling < kResamplings; ++resampling) {
    GroupSum drawn;
    for (int i = 0; i < count; ++i) {
      const GroupSum& group = groups[static_cast<size_t>(random.Index(count))];
      drawn.difference += group.difference;
      drawn.values += group.values;
    }
    const double mean = drawn.difference / static_cast<double>(drawn.values);
    if (passes(mean)) ++passed;
  }
  return static_cast<double>(passed) / kResamplings;
}

}  // namespace

std::vector<QueryResult> QueriesOf(const EvaluationResult& result) {
  std::vector<QueryResult> queries;
  for (size_t q = 0; q < result.query_paths.size(); ++q) {
    queries.push_back({result.query_paths[q], result.query_identities[q],
                       result.first_match_rank[q], result.average_precision[q],
                       result.inverse_negative_penalty[q]});
  }
  return queries;
}

std::optional<double> ValueOf(const QueryResult& query, absl::string_view metric) {
  if (metric == "mAP") return query.average_precision;
  if (metric == "mINP") return query.inverse_negative_penalty;
  int k = 0;
  if (!absl::ConsumePrefix(&metric, "rank") || !absl::SimpleAtoi(metric, &k)) return std::nullopt;
  return query.rank > 0 && query.rank <= k ? 1 : 0;
}

absl::StatusOr<std::vector<PairedValue>> PairQueries(const std::vector<QueryResult>& a,
                                                     const std::vector<QueryResult>& b,
                                                     absl::string_view metric) {
  const auto partners = PartnersOf(a, b);
  if (!partners.ok()) return partners.status();
  std::vector<PairedValue> values;
  for (size_t q = 0; q < a.size(); ++q) {
    const QueryResult& partner = *(*partners)[q];
    if ((a[q].rank == 0) != (partner.rank == 0) || a[q].identity != partner.identity) {
      return absl::InvalidArgumentError(absl::StrCat(
          "A and B were not measured on the same gallery: \"", a[q].path,
          "\" has other true matches in one of them; measure both on the same data set"));
    }
    if (a[q].rank == 0) continue;
    const auto of_a = ValueOf(a[q], metric), of_b = ValueOf(partner, metric);
    if (!of_a || !of_b) return std::vector<PairedValue>();
    values.push_back({*of_a, *of_b, a[q].identity});
  }
  return values;
}

PairedDifference DifferenceOf(const std::vector<PairedValue>& values) {
  S2P_CHECK(!values.empty());
  const auto n = static_cast<double>(values.size());
  PairedDifference result;
  result.values = static_cast<int64_t>(values.size());
  for (const PairedValue& value : values) {
    result.a += value.a;
    result.b += value.b;
    result.difference += value.b - value.a;
  }
  result.a /= n;
  result.b /= n;
  result.difference /= n;
  const std::vector<GroupSum> groups = SumsOfGroups(values);
  result.groups = static_cast<int64_t>(groups.size());
  if (groups.size() < 2) return result;
  double squares = 0;
  for (const GroupSum& group : groups) {
    const double off = group.difference - static_cast<double>(group.values) * result.difference;
    squares += off * off;
  }
  const auto g = static_cast<double>(groups.size());
  result.standard_error = std::sqrt(g / (g - 1) * squares) / n;
  const double reach = StudentQuantile(result.groups - 1) * *result.standard_error;
  result.low = result.difference - reach;
  result.high = result.difference + reach;
  return result;
}

double BootstrapConfidence(const std::vector<PairedValue>& values, double least) {
  return ShareOfResamplings(values, [&](double mean) { return mean > 0 && mean >= least; });
}

double BootstrapNotWorse(const std::vector<PairedValue>& values, double tolerance) {
  return ShareOfResamplings(values, [&](double mean) { return mean >= -tolerance; });
}

double StudentQuantile(int64_t degrees) {
  S2P_CHECK(degrees >= 1);
  constexpr double kFirst[] = {12.7062, 4.3027, 3.1824, 2.7764, 2.5706,
                               2.4469,  2.3646, 2.3060, 2.2622, 2.2281};
  if (degrees <= 10) return kFirst[degrees - 1];
  // M. Abramowitz and I. Stegun, Handbook of Mathematical Functions, 26.7.5.
  constexpr double x = 1.959964, x3 = x * x * x, x5 = x3 * x * x, x7 = x5 * x * x;
  const auto v = static_cast<double>(degrees);
  return x + (x3 + x) / (4 * v) + (5 * x5 + 16 * x3 + 3 * x) / (96 * v * v) +
         (3 * x7 + 19 * x5 + 17 * x3 - 15 * x) / (384 * v * v * v);
}

}  // namespace s2p
