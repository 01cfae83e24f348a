#include "server/rpc/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <array>

#include "daemon/metric_family.h"
#include "s2p/v1/feedback.grpc.pb.h"
#include "s2p/v1/gallery.grpc.pb.h"
#include "s2p/v1/model.grpc.pb.h"
#include "s2p/v1/search.grpc.pb.h"

namespace s2p {
namespace {

using prometheus::BuildCounter;
using prometheus::BuildGauge;
using prometheus::BuildHistogram;
using prometheus::Counter;
using prometheus::Family;
using prometheus::Gauge;
using prometheus::Histogram;

constexpr Precision kPrecisions[] = {Precision::kFloat32, Precision::kBfloat16,
                                     Precision::kFloat16};
constexpr std::array<const char*, 4> kRejections = {"queue_full", "busy", "deadline", "cancelled"};
constexpr std::array<const char*, 5> kStages = {"decode", "queue", "preprocess", "encode",
                                                "search"};
// In the order of FeedbackRefusal.
constexpr std::array<const char*, 5> kFeedbackRefusals = {"request", "drawing", "blank", "photo",
                                                          "full"};
// In the order of DecoderEnd.
constexpr std::array<const char*, 6> kDecoderEnds = {"crash",      "call_ended", "too_slow",
                                                     "misbehaved", "idle",       "stopped"};

}  // namespace

struct Metrics::Families {
  explicit Families(prometheus::Registry& in) : registry(in) {}
  prometheus::Registry& registry;
  Family<Histogram>& stage_seconds =
      RegisterFamily(BuildHistogram(), "s2p_stage_seconds",
                     "Time of each stage of a search: decode, preprocess and queue of each, encode "
                     "and search of each batch.",
                     registry);
  Histogram& batch_size =
      RegisterFamily(BuildHistogram(), "s2p_batch_size", "Images in one forward pass.", registry)
          .Add({}, Histogram::BucketBoundaries{1, 2, 4, 8, 16, 32, 64, 128, 256});
  Gauge& queue_depth = RegisterFamily(BuildGauge(), "s2p_queue_depth",
                                      "Images of searches that wait for the encoder.", registry)
                           .Add({});
  Family<Counter>& rejected =
      RegisterFamily(BuildCounter(), "s2p_rejected_total",
                     "Searches given up before they were computed: too many waited for the "
                     "encoder or to be decoded, too late, or the client was gone.",
                     registry);
  Gauge& model_version = RegisterFamily(BuildGauge(), "s2p_model_version",
                                        "Version that serves; 0 while none does.", registry)
                             .Add({});
  Family<Gauge>& model_precision = RegisterFamily(
      BuildGauge(), "s2p_model_precision",
      "1 for the precision that the serving version computes in; 0 for the others.", registry);
  Family<Counter>& left_out = RegisterFamily(
      BuildCounter(), "s2p_reembed_left_out_total",
      "Photos that a new version could not embed: damaged, or too slow to decode.", registry);
  Family<Counter>& model_loads = RegisterFamily(BuildCounter(), "s2p_model_loads_total",
                                                "Attempts to load a version, by result.", registry);
  Histogram& model_swap_seconds =
      RegisterFamily(BuildHistogram(), "s2p_model_swap_seconds",
                     "Time from the start of loading a version until it serves.", registry)
          .Add({}, Histogram::BucketBoundaries{0.1, 0.5, 1, 5, 10, 60, 300, 1800, 7200});
  Gauge& reembed_progress = RegisterFamily(BuildGauge(), "s2p_reembed_progress_ratio",
                                           "Share of the gallery embedded with the version that is "
                                           "being loaded; 1 when there is none.",
                                           registry)
                                .Add({});
  Gauge& gallery_photos = RegisterFamily(BuildGauge(), "s2p_gallery_photos",
                                         "Items in the gallery, photos and sketches.", registry)
                              .Add({});
  Gauge& uncoloured_photos =
      RegisterFamily(BuildGauge(), "s2p_gallery_uncolored_photos",
                     "Photos whose colours are not known: not looked at yet, or unreadable.",
                     registry)
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
  Family<Counter>& faults =
      RegisterFamily(BuildCounter(), "s2p_server_faults_total",
                     "Times that something was found broken, by kind.", registry);
  Gauge& disk_reserve =
      RegisterFamily(BuildGauge(), "s2p_disk_reserve_bytes",
                     "Free space of the disk below which photos and metadata are refused.",
                     registry)
          .Add({});
  Gauge& device_memory =
      RegisterFamily(BuildGauge(), "s2p_device_memory_bytes",
                     "Memory that the networks take on the device; 0 on the CPU.", registry)
          .Add({});
  Counter& decoder_starts =
      RegisterFamily(BuildCounter(), "s2p_decoder_starts_total",
                     "Processes started to decode images, replacements among them.", registry)
          .Add({});
  Family<Counter>& decoder_ends = RegisterFamily(
      BuildCounter(), "s2p_decoder_ends_total",
      "Processes that ended: crashed on an image; killed with a call that ended, for an image that "
      "took too long or for a wrong answer; ended while idle.",
      registry);
  Family<Counter>& feedback_recorded =
      RegisterFamily(BuildCounter(), "s2p_feedback_recorded_total",
                     "Feedback that was recorded: new, or the same as an earlier entry.", registry);
  Family<Counter>& feedback_refused = RegisterFamily(
      BuildCounter(), "s2p_feedback_refused_total",
      "Feedback that was refused: a bad field, an unreadable or a blank drawing, an unknown photo, "
      "or no room for it.",
      registry);
  Family<Gauge>& feedback_entries =
      RegisterFamily(BuildGauge(), "s2p_feedback_entries",
                     "Entries of feedback that are kept, by state.", registry);
  Gauge& feedback_bytes =
      RegisterFamily(BuildGauge(), "s2p_feedback_bytes",
                     "Room that the entries of feedback and their drawings take.", registry)
          .Add({});
  Gauge& feedback_pairs =
      RegisterFamily(BuildGauge(), "s2p_feedback_pairs",
                     "Pairs of drawing and photo in the data set of --feedback-dataset.", registry)
          .Add({});
  std::array<Histogram*, kStages.size()> stages = {};
  std::array<Counter*, kRejections.size()> rejections = {};
};

Metrics::Metrics(const std::string& version)
    : RpcMetrics({v1::SearchService::service_full_name(), v1::GalleryService::service_full_name(),
                  v1::ModelService::service_full_name(), v1::FeedbackService::service_full_name()},
                 {{"version", version}, {"compiler", __VERSION__}}),
      families_(std::make_unique<Families>(registry())) {
  for (size_t i = 0; i < kStages.size(); ++i) {
    families_->stages[i] = &families_->stage_seconds.Add({{"stage", kStages[i]}}, LatencyBuckets());
  }
  for (size_t i = 0; i < kRejections.size(); ++i) {
    families_->rejections[i] = &families_->rejected.Add({{"reason", kRejections[i]}});
  }
  // From the start, so that the first failure shows as a rate.
  for (const Precision precision : kPrecisions) {
    families_->model_precision.Add({{"precision", std::string(NameOf(precision))}});
  }
  families_->model_loads.Add({{"result", "ok"}});
  families_->model_loads.Add({{"result", "failed"}});
  families_->left_out.Add({{"reason", "damaged"}});
  families_->left_out.Add({{"reason", "too_slow"}});
  for (size_t i = 0; i < kFaultKinds; ++i) {
    families_->faults.Add({{"kind", FaultName(static_cast<FaultKind>(i))}});
  }
  for (const char* result : {"new", "known"}) {
    families_->feedback_recorded.Add({{"result", result}});
  }
  for (const char* reason : kFeedbackRefusals) {
    families_->feedback_refused.Add({{"reason", reason}});
  }
  SetFeedback({}, 0);
  for (const char* reason : kDecoderEnds) families_->decoder_ends.Add({{"reason", reason}});
  families_->reembed_progress.Set(1);
}

Metrics::~Metrics() = default;

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

void Metrics::SetModelPrecision(Precision precision) {
  for (const Precision known : kPrecisions) {
    families_->model_precision.Add({{"precision", std::string(NameOf(known))}})
        .Set(known == precision ? 1 : 0);
  }
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

void Metrics::SetUncolouredPhotos(int64_t photos) {
  families_->uncoloured_photos.Set(static_cast<double>(photos));
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

void Metrics::CountLeftOut(const std::string& reason) {
  families_->left_out.Add({{"reason", reason}}).Increment();
}

void Metrics::CountFault(FaultKind kind) {
  families_->faults.Add({{"kind", FaultName(kind)}}).Increment();
}

void Metrics::SetDiskReserve(uint64_t bytes) {
  families_->disk_reserve.Set(static_cast<double>(bytes));
}

void Metrics::SetDeviceMemory(uint64_t bytes) {
  families_->device_memory.Set(static_cast<double>(bytes));
}

void Metrics::CountFeedbackRecorded(bool is_new) {
  families_->feedback_recorded.Add({{"result", is_new ? "new" : "known"}}).Increment();
}

void Metrics::CountFeedbackRefused(FeedbackRefusal reason) {
  families_->feedback_refused.Add({{"reason", kFeedbackRefusals[static_cast<size_t>(reason)]}})
      .Increment();
}

void Metrics::SetFeedback(const FeedbackTotals& totals, int64_t pairs) {
  Family<Gauge>& entries = families_->feedback_entries;
  entries.Add({{"state", "pending"}}).Set(static_cast<double>(totals.pending));
  entries.Add({{"state", "accepted"}}).Set(static_cast<double>(totals.accepted));
  entries.Add({{"state", "rejected"}}).Set(static_cast<double>(totals.rejected));
  families_->feedback_bytes.Set(static_cast<double>(totals.bytes));
  families_->feedback_pairs.Set(static_cast<double>(pairs));
}

void Metrics::CountDecoderStart() { families_->decoder_starts.Increment(); }

void Metrics::CountDecoderEnd(DecoderEnd end) {
  families_->decoder_ends.Add({{"reason", kDecoderEnds[static_cast<size_t>(end)]}}).Increment();
}

}  // namespace s2p
