#include "server/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <array>

namespace s2p {
namespace {

using prometheus::BuildCounter;
using prometheus::BuildGauge;
using prometheus::BuildHistogram;
using prometheus::Counter;
using prometheus::Family;
using prometheus::Gauge;
using prometheus::Histogram;

// 0.1 ms to 10 s.
prometheus::Histogram::BucketBoundaries Seconds() {
  return {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
          0.05,   0.1,     0.25,   0.5,   1,      2.5,   5,    10};
}

constexpr std::array<const char*, 5> kStages = {"decode", "queue", "preprocess", "encode",
                                                "search"};

template <typename Builder>
auto& Register(Builder builder, const char* name, const char* help,
               prometheus::Registry& registry) {
  return builder.Name(name).Help(help).Register(registry);
}

}  // namespace

struct Metrics::Families {
  prometheus::Registry registry;
  Family<Counter>& requests = Register(BuildCounter(), "s2p_requests_total",
                                       "Calls that have ended, by method and code.", registry);
  Family<Histogram>& request_seconds =
      Register(BuildHistogram(), "s2p_request_seconds",
               "Time from a call's arrival to its end, by method.", registry);
  Family<Histogram>& stage_seconds =
      Register(BuildHistogram(), "s2p_stage_seconds",
               "Time of each stage of a search: decode and queue of each, preprocess, "
               "encode and search of each batch.",
               registry);
  Histogram& batch_size =
      Register(BuildHistogram(), "s2p_batch_size", "Images in one forward pass.", registry)
          .Add({}, Histogram::BucketBoundaries{1, 2, 4, 8, 16, 32, 64, 128, 256});
  Gauge& queue_depth = Register(BuildGauge(), "s2p_queue_depth",
                                "Images of searches that wait for the encoder.", registry)
                           .Add({});
  Family<Counter>& rejected = Register(BuildCounter(), "s2p_rejected_total",
                                       "Calls refused before they cost compute.", registry);
  Gauge& model_version = Register(BuildGauge(), "s2p_model_version",
                                  "Version that serves; 0 while none does.", registry)
                             .Add({});
  Family<Counter>& model_loads = Register(BuildCounter(), "s2p_model_loads_total",
                                          "Attempts to load a version, by result.", registry);
  Histogram& model_swap_seconds =
      Register(BuildHistogram(), "s2p_model_swap_seconds",
               "Time from the begin of loading a version until it serves.", registry)
          .Add({}, Histogram::BucketBoundaries{0.1, 0.5, 1, 5, 10, 60, 300, 1800, 7200});
  Gauge& reembed_progress = Register(BuildGauge(), "s2p_reembed_progress_ratio",
                                     "Share of the gallery embedded with the version that is "
                                     "being loaded; 1 when there is none.",
                                     registry)
                                .Add({});
  Gauge& gallery_photos = Register(BuildGauge(), "s2p_gallery_photos",
                                   "Items in the gallery, photos and sketches.", registry)
                              .Add({});
  Family<Counter>& gallery_writes = Register(BuildCounter(), "s2p_gallery_writes_total",
                                             "Items written, by operation and result.", registry);
  Gauge& device_memory =
      Register(BuildGauge(), "s2p_device_memory_bytes",
               "Memory that the networks take on the device; 0 on the CPU.", registry)
          .Add({});
  Family<Gauge>& build_info =
      Register(BuildGauge(), "s2p_build_info", "1; the labels say what runs.", registry);
  std::array<Histogram*, kStages.size()> stages = {};
};

Metrics::Metrics(const std::string& version) : families_(std::make_unique<Families>()) {
  for (size_t i = 0; i < kStages.size(); ++i) {
    families_->stages[i] = &families_->stage_seconds.Add({{"stage", kStages[i]}}, Seconds());
  }
  families_->build_info.Add({{"version", version}}).Set(1);
  families_->reembed_progress.Set(1);
}

Metrics::~Metrics() = default;

void Metrics::CountRequest(const std::string& method, const std::string& code,
                           absl::Duration took) {
  families_->requests.Add({{"method", method}, {"code", code}}).Increment();
  families_->request_seconds.Add({{"method", method}}, Seconds())
      .Observe(absl::ToDoubleSeconds(took));
}

void Metrics::ObserveStage(Stage stage, absl::Duration took) {
  families_->stages[static_cast<size_t>(stage)]->Observe(absl::ToDoubleSeconds(took));
}

void Metrics::ObserveBatch(int images) { families_->batch_size.Observe(images); }
void Metrics::SetQueueDepth(int images) { families_->queue_depth.Set(images); }

void Metrics::CountRejected(const std::string& reason) {
  families_->rejected.Add({{"reason", reason}}).Increment();
}

void Metrics::SetModelVersion(int64_t version) {
  families_->model_version.Set(static_cast<double>(version));
}

void Metrics::CountModelLoad(const std::string& result) {
  families_->model_loads.Add({{"result", result}}).Increment();
}

void Metrics::ObserveModelSwap(absl::Duration took) {
  families_->model_swap_seconds.Observe(absl::ToDoubleSeconds(took));
}

void Metrics::SetReembedProgress(double ratio) { families_->reembed_progress.Set(ratio); }

void Metrics::SetGalleryPhotos(uint64_t photos) {
  families_->gallery_photos.Set(static_cast<double>(photos));
}

void Metrics::CountGalleryWrite(const std::string& op, const std::string& result, int count) {
  families_->gallery_writes.Add({{"op", op}, {"result", result}}).Increment(count);
}

void Metrics::SetDeviceMemory(uint64_t bytes) {
  families_->device_memory.Set(static_cast<double>(bytes));
}

std::string Metrics::Text() const {
  return prometheus::TextSerializer().Serialize(families_->registry.Collect());
}

}  // namespace s2p
