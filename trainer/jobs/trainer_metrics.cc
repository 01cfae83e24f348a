#include "trainer/jobs/trainer_metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include "absl/strings/ascii.h"
#include "absl/strings/strip.h"
#include "daemon/metric_family.h"
#include "s2p/v1/training.grpc.pb.h"

namespace s2p {
namespace {

using prometheus::BuildCounter;
using prometheus::BuildGauge;
using prometheus::BuildHistogram;
using prometheus::Counter;
using prometheus::Family;
using prometheus::Gauge;
using prometheus::Histogram;

// "queued" of STATE_QUEUED.
std::string StateName(v1::Job::State state) {
  return absl::AsciiStrToLower(absl::StripPrefix(v1::Job::State_Name(state), "STATE_"));
}

}  // namespace

struct TrainerMetrics::Families {
  explicit Families(prometheus::Registry& in) : registry(in) {}
  prometheus::Registry& registry;
  Family<Gauge>& jobs = RegisterFamily(BuildGauge(), "s2p_train_jobs", "Jobs, by state.", registry);
  Gauge& epoch = RegisterFamily(BuildGauge(), "s2p_train_epoch",
                                "Epoch of the step that is being trained, from 1.", registry)
                     .Add({});
  // 1 ms to 5 min.
  Histogram& step_seconds =
      RegisterFamily(BuildHistogram(), "s2p_train_step_seconds",
                     "Time of an update of the networks, loading of its images included.", registry)
          .Add({}, Histogram::BucketBoundaries{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25,
                                               0.5, 1, 2.5, 5, 10, 30, 60, 300});
  Counter& images = RegisterFamily(BuildCounter(), "s2p_train_images_total",
                                   "Images that updates were made with.", registry)
                        .Add({});
  Family<Gauge>& loss =
      RegisterFamily(BuildGauge(), "s2p_train_loss",
                     "Mean of each loss term lately, before its weight.", registry);
  Gauge& rank1 = RegisterFamily(BuildGauge(), "s2p_train_rank1",
                                "Rank-1 of the last evaluation, a fraction.", registry)
                     .Add({});
  Gauge& map =
      RegisterFamily(BuildGauge(), "s2p_train_map",
                     "Mean average precision of the last evaluation, a fraction.", registry)
          .Add({});
  Family<Counter>& published =
      RegisterFamily(BuildCounter(), "s2p_train_published_total",
                     "Jobs that have ended, by what became of their model.", registry);
};

TrainerMetrics::TrainerMetrics(const std::string& version)
    : RpcMetrics({v1::TrainingService::service_full_name()}, {{"version", version}}),
      families_(std::make_unique<Families>(registry())) {
  // From the start, so that the first one shows as an increase.
  for (const char* result : {"published", "kept_back", "not_asked", "not_trained", "failed"}) {
    families_->published.Add({{"result", result}});
  }
  SetJobs({});
}

TrainerMetrics::~TrainerMetrics() = default;

void TrainerMetrics::SetJobs(const std::map<v1::Job::State, int64_t>& counts) {
  for (int number = v1::Job::State_MIN; number <= v1::Job::State_MAX; ++number) {
    if (!v1::Job::State_IsValid(number) || number == v1::Job::STATE_UNSPECIFIED) continue;
    const auto state = static_cast<v1::Job::State>(number);
    const auto count = counts.find(state);
    families_->jobs.Add({{"state", StateName(state)}})
        .Set(count == counts.end() ? 0 : static_cast<double>(count->second));
  }
}

void TrainerMetrics::SetProgress(const v1::TrainingProgress& progress) {
  families_->epoch.Set(progress.epoch());
  for (const v1::LossTerm& term : progress.losses()) {
    families_->loss.Add({{"term", term.name()}}).Set(term.value());
  }
  if (progress.has_rank1()) families_->rank1.Set(progress.rank1());
  if (progress.has_mean_average_precision()) {
    families_->map.Set(progress.mean_average_precision());
  }
}

void TrainerMetrics::ObserveUpdate(absl::Duration took) {
  families_->step_seconds.Observe(absl::ToDoubleSeconds(took));
}

void TrainerMetrics::CountImages(uint32_t images) { families_->images.Increment(images); }

void TrainerMetrics::CountEndedJob(const std::string& result) {
  families_->published.Add({{"result", result}}).Increment();
}

}  // namespace s2p
