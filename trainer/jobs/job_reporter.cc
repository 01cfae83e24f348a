#include "trainer/jobs/job_reporter.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "daemon/log.h"
#include "trainer/jobs/job_file.h"
#include "trainer/jobs/unfinished_starts.h"

namespace s2p {

JobReporter::JobReporter(std::string job_id, JobStore* store, TrainerMetrics* metrics,
                         JobReporterOptions options)
    : job_id_(std::move(job_id)), store_(store), metrics_(metrics), options_(std::move(options)) {
  if (const auto job = store_->Get(job_id_); job.ok()) {
    batch_size_[0] = job->resolved_spec().step1().batch_size();
    batch_size_[1] = job->resolved_spec().step2().batch_size();
    latest_ = job->progress();
  }
}

uint32_t JobReporter::ImagesOf(const v1::TrainingProgress& progress) const {
  return batch_size_[progress.ihda_step() == 1 ? 0 : 1];
}

void JobReporter::Add(const v1::TrainingProgress& progress) {
  for (const v1::LossTerm& term : progress.losses()) {
    auto sum = std::find_if(sums_.begin(), sums_.end(),
                            [&term](const TermSum& other) { return other.name == term.name(); });
    if (sum == sums_.end()) sum = sums_.insert(sums_.end(), TermSum{term.name()});
    sum->sum += term.value();
    ++sum->count;
  }
  // Events show the last evaluation until the next one.
  const v1::TrainingProgress before = std::move(latest_);
  latest_ = progress;
  if (before.has_rank1() && !latest_.has_rank1()) latest_.set_rank1(before.rank1());
  if (before.has_mean_average_precision() && !latest_.has_mean_average_precision()) {
    latest_.set_mean_average_precision(before.mean_average_precision());
  }
  if (before.has_photo_to_sketch_rank1() && !latest_.has_photo_to_sketch_rank1()) {
    latest_.set_photo_to_sketch_rank1(before.photo_to_sketch_rank1());
  }
  if (before.has_photo_to_sketch_mean_average_precision() &&
      !latest_.has_photo_to_sketch_mean_average_precision()) {
    latest_.set_photo_to_sketch_mean_average_precision(
        before.photo_to_sketch_mean_average_precision());
  }
}

v1::TrainingProgress JobReporter::TakeWindow() {
  v1::TrainingProgress progress = latest_;
  if (!sums_.empty()) progress.clear_losses();
  for (const TermSum& sum : sums_) {
    v1::LossTerm& term = *progress.add_losses();
    term.set_name(sum.name);
    term.set_value(sum.sum / sum.count);
  }
  sums_.clear();
  last_event_ = options_.now();
  return progress;
}

void JobReporter::OnProgress(const v1::TrainingProgress& progress) {
  const SteadyTime now = options_.now();
  metrics_->CountImages(ImagesOf(progress));
  if (last_update_ != SteadyTime::InfinitePast()) metrics_->ObserveUpdate(now - last_update_);
  last_update_ = now;
  Add(progress);
  if (now - last_event_ < options_.event_interval) return;
  const v1::TrainingProgress window = TakeWindow();
  metrics_->SetProgress(window);
  store_->Show(job_id_,
               [&window](v1::JobFile& file) { *file.mutable_job()->mutable_progress() = window; });
  Append(v1::Job::STATE_RUNNING, window, "", /*sync=*/false);
}

void JobReporter::OnEpoch(const v1::TrainingProgress& progress,
                          const std::vector<v1::Evaluation>& evaluations) {
  // An epoch reports its own mean losses.
  if (progress.losses_size() > 0) sums_.clear();
  Add(progress);
  const v1::TrainingProgress window = TakeWindow();
  metrics_->SetProgress(window);
  const auto change = [&](v1::JobFile& file) {
    NoteWholeEpoch(progress, file);
    *file.mutable_job()->mutable_progress() = window;
    if (evaluations.empty()) return;
    *file.mutable_job()->mutable_evaluations() = {evaluations.begin(), evaluations.end()};
  };
  if (!store_->Update(job_id_, change).ok()) store_->Show(job_id_, change);
  Append(v1::Job::STATE_RUNNING, window, "", /*sync=*/true);
  LogInfo("epoch", {{"job", job_id_},
                    {"step", progress.ihda_step()},
                    {"epoch", progress.epoch()},
                    {"epochs", progress.epochs()}});
  // Evaluating and saving the state are not part of the next update.
  last_update_ = options_.now();
}

void JobReporter::OnStartOver() {
  if (!store_->Update(job_id_, ForgetWholeEpochs).ok()) store_->Show(job_id_, ForgetWholeEpochs);
}

void JobReporter::OnMessage(const std::string& message) {
  Append(v1::Job::STATE_RUNNING, latest_, message, /*sync=*/false);
  LogInfo(ShownText(message), {{"job", job_id_}});
}

void JobReporter::OnState(v1::Job::State state, const std::string& message) {
  last_update_ = SteadyTime::InfinitePast();
  Append(state, latest_, message, /*sync=*/true);
  LogInfo(
      "job",
      {{"job", job_id_}, {"state", v1::Job::State_Name(state)}, {"reason", ShownText(message)}});
}

void JobReporter::Append(v1::Job::State state, const v1::TrainingProgress& progress,
                         const std::string& message, bool sync) {
  v1::WatchJobResponse event;
  event.set_state(state);
  if (progress.ByteSizeLong() > 0) *event.mutable_progress() = progress;
  event.set_message(message);
  absl::Status status;
  if (events_ == nullptr) {
    auto events = store_->Events(job_id_);
    status = events.status();
    if (events.ok()) events_ = *std::move(events);
  }
  if (events_ != nullptr) status = events_->Append(std::move(event), sync);
  if (!status.ok() && !cannot_write_) {
    LogWarning("events are left out", {{"job", job_id_}, {"reason", status}});
  }
  cannot_write_ = !status.ok();
  options_.on_event();
}

}  // namespace s2p
