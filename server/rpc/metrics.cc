#include "server/rpc/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <array>
#include <atomic>

#include "daemon/disk_space_gauges.h"
#include "daemon/metric_family.h"
#include "model/check.h"
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

// 0.1 ms to 10 s, five to the decade: a p99 of 16 ms can be told from one of 25.
prometheus::Histogram::BucketBoundaries Seconds() {
  return {0.0001, 0.00016, 0.00025, 0.0004, 0.00063, 0.001, 0.0016, 0.0025, 0.004,
          0.0063, 0.01,    0.016,   0.025,  0.04,    0.063, 0.1,    0.16,   0.25,
          0.4,    0.63,    1,       1.6,    2.5,     4,     6.3,    10};
}

// Of the services, so that the label has no other values.
constexpr std::array<const char*, 10> kMethods = {
    "Search",     "AddPhotos",       "DeletePhotos",   "UpdatePhotoMetadata", "GetPhoto",
    "ListPhotos", "GetGalleryStats", "GetModelStatus", "SetServingVersion",   "WatchModelStatus"};
constexpr size_t kCodes = 17;
constexpr std::array<const char*, 4> kRejections = {"queue_full", "busy", "deadline", "cancelled"};
constexpr std::array<const char*, 5> kStages = {"decode", "queue", "preprocess", "encode",
                                                "search"};

}  // namespace

struct Metrics::Families {
  prometheus::Registry registry;
  Family<Counter>& requests = RegisterFamily(
      BuildCounter(), "s2p_requests_total", "Calls that have ended, by method and code.", registry);
  Family<Histogram>& request_seconds =
      RegisterFamily(BuildHistogram(), "s2p_request_seconds",
                     "Time from a call's arrival to its end, by method.", registry);
  Family<Histogram>& stage_seconds =
      RegisterFamily(BuildHistogram(), "s2p_stage_seconds",
                     "Time of each stage of a search: decode and queue of each, preprocess, "
                     "encode and search of each batch.",
                     registry);
  Histogram& batch_size =
      RegisterFamily(BuildHistogram(), "s2p_batch_size", "Images in one forward pass.", registry)
          .Add({}, Histogram::BucketBoundaries{1, 2, 4, 8, 16, 32, 64, 128, 256});
  Gauge& queue_depth = RegisterFamily(BuildGauge(), "s2p_queue_depth",
                                      "Images of searches that wait for the encoder.", registry)
                           .Add({});
  Family<Counter>& rejected =
      RegisterFamily(BuildCounter(), "s2p_rejected_total",
                     "Searches given up before they cost compute: too many waited for the "
                     "encoder or to be decoded, too late, or the client was gone.",
                     registry);
  Gauge& model_version = RegisterFamily(BuildGauge(), "s2p_model_version",
                                        "Version that serves; 0 while none does.", registry)
                             .Add({});
  Family<Counter>& model_loads = RegisterFamily(BuildCounter(), "s2p_model_loads_total",
                                                "Attempts to load a version, by result.", registry);
  Histogram& model_swap_seconds =
      RegisterFamily(BuildHistogram(), "s2p_model_swap_seconds",
                     "Time from the begin of loading a version until it serves.", registry)
          .Add({}, Histogram::BucketBoundaries{0.1, 0.5, 1, 5, 10, 60, 300, 1800, 7200});
  Gauge& reembed_progress = RegisterFamily(BuildGauge(), "s2p_reembed_progress_ratio",
                                           "Share of the gallery embedded with the version that is "
                                           "being loaded; 1 when there is none.",
                                           registry)
                                .Add({});
  Gauge& gallery_photos = RegisterFamily(BuildGauge(), "s2p_gallery_photos",
                                         "Items in the gallery, photos and sketches.", registry)
                              .Add({});
  Gauge& gallery_orphans =
      RegisterFamily(BuildGauge(), "s2p_gallery_orphans",
                     "Photos that no item names, kept in photos/.orphans since the last start.",
                     registry)
          .Add({});
  Gauge& gallery_missing =
      RegisterFamily(BuildGauge(), "s2p_gallery_missing_photos",
                     "Photos of the gallery whose files were missing at the last start.", registry)
          .Add({});
  Family<Counter>& gallery_writes =
      RegisterFamily(BuildCounter(), "s2p_gallery_writes_total",
                     "Items written, by operation and result.", registry);
  Gauge& device_memory =
      RegisterFamily(BuildGauge(), "s2p_device_memory_bytes",
                     "Memory that the networks take on the device; 0 on the CPU.", registry)
          .Add({});
  DiskSpaceGauges disk{registry};
  Family<Gauge>& build_info =
      RegisterFamily(BuildGauge(), "s2p_build_info", "1; the labels say what runs.", registry);
  std::array<Histogram*, kStages.size()> stages = {};
  std::array<Counter*, kRejections.size()> rejections = {};
  std::array<Histogram*, kMethods.size()> seconds_by_method = {};
  // Null until there has been one.
  std::array<std::array<std::atomic<Counter*>, kCodes>, kMethods.size()> requests_by_code = {};
};

Metrics::Metrics(const std::string& version) : families_(std::make_unique<Families>()) {
  for (size_t i = 0; i < kStages.size(); ++i) {
    families_->stages[i] = &families_->stage_seconds.Add({{"stage", kStages[i]}}, Seconds());
  }
  for (size_t i = 0; i < kRejections.size(); ++i) {
    families_->rejections[i] = &families_->rejected.Add({{"reason", kRejections[i]}});
  }
  for (size_t i = 0; i < kMethods.size(); ++i) {
    families_->seconds_by_method[i] =
        &families_->request_seconds.Add({{"method", kMethods[i]}}, Seconds());
  }
  // So that a rate over the first failure is not lost.
  families_->model_loads.Add({{"result", "ok"}});
  families_->model_loads.Add({{"result", "failed"}});
  families_->build_info.Add({{"version", version}, {"compiler", __VERSION__}}).Set(1);
  families_->reembed_progress.Set(1);
}

Metrics::~Metrics() = default;

void Metrics::CountRequest(absl::string_view method, absl::StatusCode code, absl::Duration took) {
  const auto found = std::find(kMethods.begin(), kMethods.end(), method);
  const size_t number = static_cast<size_t>(code);
  S2P_CHECK(found != kMethods.end() && number < kCodes);
  const size_t row = static_cast<size_t>(found - kMethods.begin());
  // Looked up once: the family has a lock, and compares labels. It gives the same counter to all.
  std::atomic<Counter*>& cached = families_->requests_by_code[row][number];
  Counter* counter = cached.load(std::memory_order_acquire);
  if (counter == nullptr) {
    counter = &families_->requests.Add({{"method", *found}, {"code", CodeName(code)}});
    cached.store(counter, std::memory_order_release);
  }
  counter->Increment();
  families_->seconds_by_method[row]->Observe(absl::ToDoubleSeconds(took));
}

void Metrics::ObserveStage(Stage stage, absl::Duration took) {
  families_->stages[static_cast<size_t>(stage)]->Observe(absl::ToDoubleSeconds(took));
}

void Metrics::ObserveBatch(int images) { families_->batch_size.Observe(images); }
void Metrics::SetQueueDepth(int images) { families_->queue_depth.Set(images); }

void Metrics::CountRejected(Rejection reason) {
  families_->rejections[static_cast<size_t>(reason)]->Increment();
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

void Metrics::SetGalleryOrphans(int64_t orphans) {
  families_->gallery_orphans.Set(static_cast<double>(orphans));
}

void Metrics::SetGalleryMissing(int64_t missing) {
  families_->gallery_missing.Set(static_cast<double>(missing));
}

void Metrics::CountGalleryWrite(const std::string& op, const std::string& result, int count) {
  families_->gallery_writes.Add({{"op", op}, {"result", result}}).Increment(count);
}

void Metrics::SetDeviceMemory(uint64_t bytes) {
  families_->device_memory.Set(static_cast<double>(bytes));
}

void Metrics::MeasureDisk(const std::string& path) { families_->disk.Measure(path); }

std::string Metrics::Text() const {
  return prometheus::TextSerializer().Serialize(families_->registry.Collect());
}

}  // namespace s2p
