#include "client/load_test.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "base/steady_time.h"

namespace s2p {
namespace {

// The observations of one thread; merged at the end, so that measuring takes no lock.
struct Observed {
  std::vector<absl::Duration> latencies;
  std::map<std::string, int64_t> codes;
  SteadyTime last_end = SteadyTime::InfinitePast();

  void Add(const absl::Status& status, absl::Duration latency, SteadyTime end) {
    ++codes[absl::StatusCodeToString(status.code())];
    if (status.ok()) latencies.push_back(latency);
    last_end = end;
  }
};

// The nearest-rank percentile; 0 if there are no values.
absl::Duration Percentile(const std::vector<absl::Duration>& sorted, double share) {
  if (sorted.empty()) return absl::ZeroDuration();
  const auto rank = static_cast<size_t>(std::ceil(share * static_cast<double>(sorted.size())));
  return sorted[std::max<size_t>(rank, 1) - 1];
}

// Requires ascending latencies.
std::vector<LatencyBucket> HistogramOf(const std::vector<absl::Duration>& sorted) {
  std::vector<LatencyBucket> histogram;
  auto begin = sorted.begin();
  absl::Duration decade = absl::Microseconds(100);
  while (begin != sorted.end()) {
    for (const int step : {1, 2, 5}) {
      const auto end = std::upper_bound(begin, sorted.end(), decade * step);
      if (end != begin || !histogram.empty()) histogram.push_back({decade * step, end - begin});
      begin = end;
      if (begin == sorted.end()) break;
    }
    decade *= 10;
  }
  return histogram;
}

LoadTestResult Summarize(const std::vector<Observed>& all, SteadyTime start) {
  LoadTestResult result;
  std::vector<absl::Duration> latencies;
  SteadyTime end = start;
  for (const Observed& observed : all) {
    latencies.insert(latencies.end(), observed.latencies.begin(), observed.latencies.end());
    for (const auto& [code, count] : observed.codes) {
      result.codes[code] += count;
      result.requests += count;
    }
    end = std::max(end, observed.last_end);
  }
  result.errors = result.requests - static_cast<int64_t>(latencies.size());
  result.elapsed = end - start;
  std::sort(latencies.begin(), latencies.end());
  result.p50 = Percentile(latencies, 0.50);
  result.p95 = Percentile(latencies, 0.95);
  result.p99 = Percentile(latencies, 0.99);
  result.histogram = HistogramOf(latencies);
  return result;
}

}  // namespace

double LoadTestResult::queries_per_second() const {
  return elapsed <= absl::ZeroDuration()
             ? 0
             : static_cast<double>(requests) / absl::ToDoubleSeconds(elapsed);
}

LoadTestResult RunLoadTest(const LoadTestOptions& options,
                           const std::function<absl::Status(int64_t)>& call) {
  const bool open = options.rate > 0;
  const int threads = open ? kMaxInFlight : options.concurrency;
  const SteadyTime start = SteadyTime::Now();
  const SteadyTime stop = start + options.duration;
  std::atomic<int64_t> next{0};
  std::vector<Observed> observed(static_cast<size_t>(threads));
  const auto work = [&](Observed& mine) {
    for (;;) {
      const int64_t number = next.fetch_add(1, std::memory_order_relaxed);
      SteadyTime due = SteadyTime::Now();
      if (open) {
        due = start + absl::Seconds(static_cast<double>(number) / options.rate);
        if (due < stop) absl::SleepFor(due - SteadyTime::Now());
      }
      if (due >= stop) return;
      const absl::Status status = call(number);
      const SteadyTime end = SteadyTime::Now();
      mine.Add(status, end - due, end);
    }
  };
  std::vector<std::thread> workers;
  for (Observed& mine : observed) workers.emplace_back(work, std::ref(mine));
  for (std::thread& worker : workers) worker.join();
  return Summarize(observed, start);
}

}  // namespace s2p
