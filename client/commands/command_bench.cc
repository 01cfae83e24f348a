#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "client/commands/commands.h"
#include "client/files.h"
#include "client/load_test.h"

namespace s2p {
namespace {

double Milliseconds(absl::Duration duration) { return absl::ToDoubleMilliseconds(duration); }

// Length of the longest bar.
constexpr int kBarColumns = 50;

std::string ToJsonText(const LoadTestResult& result, bool histogram) {
  nlohmann::ordered_json json;
  json["requests"] = result.requests;
  json["errors"] = result.errors;
  json["qps"] = result.queries_per_second();
  json["p50_ms"] = Milliseconds(result.p50);
  json["p95_ms"] = Milliseconds(result.p95);
  json["p99_ms"] = Milliseconds(result.p99);
  json["codes"] = result.codes;
  if (histogram) {
    auto& buckets = json["histogram"] = nlohmann::ordered_json::array();
    for (const LatencyBucket& bucket : result.histogram) {
      buckets.push_back({{"at_most_ms", Milliseconds(bucket.at_most)}, {"count", bucket.count}});
    }
  }
  return json.dump() + "\n";
}

void Print(const LoadTestResult& result, std::ostream& out) {
  out << absl::StrFormat("%d searches in %.1f s: %.1f a second\n", result.requests,
                         absl::ToDoubleSeconds(result.elapsed), result.queries_per_second())
      << absl::StrFormat("p50 %.1f ms, p95 %.1f ms, p99 %.1f ms\n", Milliseconds(result.p50),
                         Milliseconds(result.p95), Milliseconds(result.p99));
  for (const auto& [code, count] : result.codes) {
    if (code != "OK") out << code << ": " << count << '\n';
  }
}

void PrintHistogram(const std::vector<LatencyBucket>& histogram, std::ostream& out) {
  int64_t most = 1;
  for (const LatencyBucket& bucket : histogram) most = std::max(most, bucket.count);
  for (const LatencyBucket& bucket : histogram) {
    // Rounded up, so that a small bucket is not shown as empty.
    const auto columns = static_cast<size_t>((bucket.count * kBarColumns + most - 1) / most);
    out << absl::StrFormat("<= %8.1f ms %9d%s%s\n", Milliseconds(bucket.at_most), bucket.count,
                           columns == 0 ? "" : " ", std::string(columns, '#'));
  }
}

}  // namespace

absl::Status RunBench(const SearchClient& client, const BenchOptions& options, std::ostream& out) {
  std::vector<v1::SearchRequest> requests;
  for (const std::string& path : options.sketches) {
    S2P_ASSIGN_OR_RETURN(auto bytes, ReadImageFile(path));
    requests.emplace_back().add_examples()->set_image(std::move(bytes));
    requests.back().set_top_k(options.k);
  }
  if (requests.empty()) return absl::InvalidArgumentError("give the sketches to search with");
  // Check before the clock starts that the server is up and accepts our requests.
  if (auto first = client.Search(requests[0]); !first.ok()) return first.status();

  LoadTestOptions load;
  load.concurrency = options.concurrency;
  load.rate = options.rate;
  load.duration = absl::Seconds(options.duration_seconds);
  const LoadTestResult result = RunLoadTest(load, [&](int64_t number) {
    return client.Search(requests[static_cast<size_t>(number) % requests.size()]).status();
  });
  if (options.json) {
    out << ToJsonText(result, options.histogram);
  } else {
    Print(result, out);
    if (options.histogram) PrintHistogram(result.histogram, out);
  }
  if (result.errors == result.requests) return absl::UnknownError("every search failed");
  return absl::OkStatus();
}

}  // namespace s2p
