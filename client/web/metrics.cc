#include "client/web/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include "absl/strings/str_cat.h"

namespace s2p {
namespace {

// 1 ms to 10 s.
const prometheus::Histogram::BucketBoundaries kSeconds = {
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10};

}  // namespace

struct WebMetrics::Families {
  prometheus::Registry registry;
  prometheus::Family<prometheus::Counter>& requests =
      prometheus::BuildCounter()
          .Name("s2p_web_requests_total")
          .Help("HTTP requests answered, by route and status.")
          .Register(registry);
  prometheus::Family<prometheus::Histogram>& seconds =
      prometheus::BuildHistogram()
          .Name("s2p_web_request_seconds")
          .Help("Time from a request's headers to its answer, by route.")
          .Register(registry);
  prometheus::Gauge& streams = prometheus::BuildGauge()
                                   .Name("s2p_web_streams")
                                   .Help("Event streams open now.")
                                   .Register(registry)
                                   .Add({});
};

WebMetrics::WebMetrics(const std::string& version) : families_(std::make_unique<Families>()) {
  prometheus::BuildGauge()
      .Name("s2p_web_build_info")
      .Help("1, with the program's version.")
      .Register(families_->registry)
      .Add({{"version", version}})
      .Set(1);
}

WebMetrics::~WebMetrics() = default;

void WebMetrics::CountRequest(const std::string& route, int http_status, absl::Duration took) {
  families_->requests.Add({{"route", route}, {"code", absl::StrCat(http_status)}}).Increment();
  families_->seconds.Add({{"route", route}}, kSeconds).Observe(absl::ToDoubleSeconds(took));
}

void WebMetrics::SetStreams(int open) { families_->streams.Set(open); }

std::string WebMetrics::Text() const {
  return prometheus::TextSerializer().Serialize(families_->registry.Collect());
}

}  // namespace s2p
