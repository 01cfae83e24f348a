#include "rpc/rpc_metrics.h"

#include <google/protobuf/descriptor.h>
#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <array>
#include <atomic>
#include <functional>

#include "daemon/disk_space.h"
#include "daemon/metric_family.h"
#include "rpc/grpc_status.h"

namespace s2p {
namespace {

using prometheus::BuildCounter;
using prometheus::BuildGauge;
using prometheus::BuildHistogram;
using prometheus::Counter;
using prometheus::Family;
using prometheus::Gauge;
using prometheus::Histogram;

constexpr size_t kCodes = 17;

struct Method {
  Histogram* seconds = nullptr;
  // Null until a call has ended with that code.
  std::array<std::atomic<Counter*>, kCodes> by_code = {};
};

}  // namespace

std::vector<double> LatencyBuckets() {
  return {0.0001, 0.00016, 0.00025, 0.0004, 0.00063, 0.001, 0.0016, 0.0025, 0.004,
          0.0063, 0.01,    0.016,   0.025,  0.04,    0.063, 0.1,    0.16,   0.25,
          0.4,    0.63,    1,       1.6,    2.5,     4,     6.3,    10};
}

struct RpcMetrics::Families {
  prometheus::Registry registry;
  Family<Counter>& requests = RegisterFamily(
      BuildCounter(), "s2p_requests_total", "Calls that have ended, by method and code.", registry);
  Family<Histogram>& request_seconds =
      RegisterFamily(BuildHistogram(), "s2p_request_seconds",
                     "Time from a call's arrival to its end, by method.", registry);
  Family<Counter>& reloads =
      RegisterFamily(BuildCounter(), "s2p_reloads_total",
                     "Attempts to read keys or certificates again, by files and result.", registry);
  Family<Counter>& rate_limited =
      RegisterFamily(BuildCounter(), "s2p_rate_limited_total",
                     "Calls refused because their key or address calls too often.", registry);
  Counter& audit_failures =
      RegisterFamily(BuildCounter(), "s2p_audit_failures_total",
                     "Changes that could not be written to the audit log.", registry)
          .Add({});
  Gauge& disk_free =
      RegisterFamily(BuildGauge(), "s2p_disk_free_bytes",
                     "Room left on the file system that the program writes to.", registry)
          .Add({});
  Gauge& disk_size = RegisterFamily(BuildGauge(), "s2p_disk_size_bytes",
                                    "Size of the file system that the program writes to.", registry)
                         .Add({});
  Family<Gauge>& build_info =
      RegisterFamily(BuildGauge(), "s2p_build_info", "1; the labels say what runs.", registry);
  std::map<std::string, Method, std::less<>> methods;
};

RpcMetrics::RpcMetrics(const std::vector<std::string>& services,
                       const std::map<std::string, std::string>& build)
    : families_(std::make_unique<Families>()) {
  families_->build_info.Add(build).Set(1);
  // From 0 on, or alerts would not see the first failure as an increase.
  for (const char* files : {"api_keys", "http_tls", "tls"}) {
    for (const char* result : {"ok", "failed"}) {
      families_->reloads.Add({{"files", files}, {"result", result}});
    }
  }
  const auto* pool = google::protobuf::DescriptorPool::generated_pool();
  for (const std::string& name : services) {
    const auto* service = pool->FindServiceByName(name);
    for (int i = 0; service != nullptr && i < service->method_count(); ++i) {
      const std::string& method = service->method(i)->name();
      families_->methods[method].seconds =
          &families_->request_seconds.Add({{"method", method}}, LatencyBuckets());
    }
  }
}

RpcMetrics::~RpcMetrics() = default;

void RpcMetrics::CountRequest(absl::string_view method, absl::StatusCode code,
                              absl::Duration took) {
  const auto found = families_->methods.find(method);
  const size_t number = static_cast<size_t>(code);
  if (found == families_->methods.end() || number >= kCodes) return;
  // Looked up once: the family has a lock and compares labels. It returns the same counter to all.
  std::atomic<Counter*>& cached = found->second.by_code[number];
  Counter* counter = cached.load(std::memory_order_acquire);
  if (counter == nullptr) {
    counter = &families_->requests.Add({{"method", found->first}, {"code", CodeName(code)}});
    cached.store(counter, std::memory_order_release);
  }
  counter->Increment();
  found->second.seconds->Observe(absl::ToDoubleSeconds(took));
}

void RpcMetrics::CountReload(absl::string_view files, bool ok) {
  families_->reloads.Add({{"files", std::string(files)}, {"result", ok ? "ok" : "failed"}})
      .Increment();
}

void RpcMetrics::CountRateLimited(absl::string_view by) {
  families_->rate_limited.Add({{"by", std::string(by)}}).Increment();
}

void RpcMetrics::CountAuditFailure() { families_->audit_failures.Increment(); }

void RpcMetrics::MeasureDisk(const std::string& path) {
  const auto space = MeasureDiskSpace(path);
  if (!space.ok()) return;
  families_->disk_free.Set(static_cast<double>(space->free_bytes));
  families_->disk_size.Set(static_cast<double>(space->size_bytes));
}

std::string RpcMetrics::Text() const {
  return prometheus::TextSerializer().Serialize(families_->registry.Collect());
}

prometheus::Registry& RpcMetrics::registry() { return families_->registry; }

}  // namespace s2p
