#include "client/web/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include "absl/strings/str_cat.h"
#include "daemon/metric_family.h"

namespace s2p {
namespace {

using prometheus::Family;

// 1 ms to 10 s.
const prometheus::Histogram::BucketBoundaries kSeconds = {
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10};

}  // namespace

struct WebMetrics::Families {
  prometheus::Registry registry;
  Family<prometheus::Counter>& requests =
      RegisterFamily(prometheus::BuildCounter(), "s2p_web_requests_total",
                     "HTTP requests answered, by route and status.", registry);
  Family<prometheus::Histogram>& seconds =
      RegisterFamily(prometheus::BuildHistogram(), "s2p_web_request_seconds",
                     "Time from a request's headers to its answer, by route.", registry);
  Family<prometheus::Counter>& reloads = RegisterFamily(
      prometheus::BuildCounter(), "s2p_reloads_total",
      "Attempts to read keys, passwords or certificates again, by files and result.", registry);
  prometheus::Gauge& streams = RegisterFamily(prometheus::BuildGauge(), "s2p_web_streams",
                                              "Event streams open now.", registry)
                                   .Add({});
};

WebMetrics::WebMetrics(const std::string& version) : families_(std::make_unique<Families>()) {
  RegisterFamily(prometheus::BuildGauge(), "s2p_web_build_info", "1, with the program's version.",
                 families_->registry)
      .Add({{"version", version}})
      .Set(1);
  // From 0 on, or alerts would not see the first failure as an increase.
  for (const char* files : {"api_key", "http_tls", "password", "tls"}) {
    for (const char* result : {"ok", "failed"}) {
      families_->reloads.Add({{"files", files}, {"result", result}});
    }
  }
}

WebMetrics::~WebMetrics() = default;

void WebMetrics::CountRequest(const std::string& route, int http_status, absl::Duration took) {
  families_->requests.Add({{"route", route}, {"code", absl::StrCat(http_status)}}).Increment();
  families_->seconds.Add({{"route", route}}, kSeconds).Observe(absl::ToDoubleSeconds(took));
}

void WebMetrics::SetStreams(int open) { families_->streams.Set(open); }

void WebMetrics::CountReload(absl::string_view files, bool ok) {
  families_->reloads.Add({{"files", std::string(files)}, {"result", ok ? "ok" : "failed"}})
      .Increment();
}

std::string WebMetrics::Text() const {
  return prometheus::TextSerializer().Serialize(families_->registry.Collect());
}

}  // namespace s2p
