#include "server/search/batcher.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "daemon/retry_after.h"

namespace s2p {
namespace {

absl::Status CheckNotNegative(absl::Duration value, absl::string_view name) {
  if (value >= absl::ZeroDuration()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(name, " must not be negative"));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Batcher>> Batcher::Create(const BatcherOptions& options,
                                                         const SnapshotSlot* slot) {
  if (options.max_batch < 1 || options.max_batch > 256) {
    return absl::InvalidArgumentError(
        absl::StrCat("max_batch must be 1 to 256, not ", options.max_batch));
  }
  if (options.max_queue < 1 || options.max_queue > 100000) {
    return absl::InvalidArgumentError(
        absl::StrCat("max_queue must be 1 to 100000, not ", options.max_queue));
  }
  S2P_RETURN_IF_ERROR(CheckNotNegative(options.max_background_wait, "max_background_wait"));
  S2P_RETURN_IF_ERROR(CheckNotNegative(options.max_background_time, "max_background_time"));
  S2P_RETURN_IF_ERROR(CheckNotNegative(options.live_interval, "live_interval"));
  S2P_RETURN_IF_ERROR(CheckNotNegative(options.max_delay, "max_delay"));
  return std::unique_ptr<Batcher>(new Batcher(options, slot));
}

Batcher::Batcher(const BatcherOptions& options, const SnapshotSlot* slot)
    : options_(options),
      slot_(slot),
      live_(options.max_queue),
      encode_thread_([this] { EncodeBatches(); }),
      answer_thread_([this] { AnswerBatches(); }) {}

Batcher::~Batcher() { Stop(); }

absl::Status Batcher::Submit(BatchRequest request) {
  S2P_CHECK(request.images.size() == request.modalities.size() && request.done);
  S2P_CHECK(request.preprocessed.empty() || request.preprocessed.size() == request.images.size());
  const int places = Batch::PlacesOf(request);
  absl::MutexLock lock(&mutex_);
  S2P_RETURN_IF_ERROR(CheckRoomLocked(request));
  const SteadyTime now = options_.clock();
  if (request.priority == BatchRequest::Priority::kBackground) {
    background_images_ += places;
    background_.push_back({std::move(request), now});
  } else {
    last_live_ = now;
    const std::string caller = request.caller;
    live_.Push(caller, {std::move(request), now}, places);
  }
  changed_.NotifyAll();
  return absl::OkStatus();
}

absl::Status Batcher::CheckRoom(const BatchRequest& request) const {
  absl::MutexLock lock(&mutex_);
  return CheckRoomLocked(request);
}

absl::Status Batcher::CheckRoomLocked(const BatchRequest& request) const {
  if (stopping_) return absl::UnavailableError("the server is shutting down");
  if (request.priority == BatchRequest::Priority::kBackground ||
      live_.HasRoom(request.caller, Batch::PlacesOf(request))) {
    return absl::OkStatus();
  }
  return BusyError(absl::StrCat("the queue is full: ", live_.taken(), " images are waiting"),
                   drain_.For(live_.taken(), 1));
}

int Batcher::queue_depth() const {
  absl::MutexLock lock(&mutex_);
  return live_.taken();
}

void Batcher::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
    changed_.NotifyAll();
  }
  if (encode_thread_.joinable()) encode_thread_.join();
  if (answer_thread_.joinable()) answer_thread_.join();
}

void Batcher::EncodeBatches() {
  for (;;) {
    Batch batch = NextBatch();
    if (batch.empty()) break;
    batch.Encode(slot_->Get());
    const BatchReport& report = batch.report();
    absl::MutexLock lock(&mutex_);
    encoding_.Finished(report.images, report.preprocess_time + report.encode_time);
    encoded_ = std::move(batch);
    last_encoded_ = options_.clock();
  }
  absl::MutexLock lock(&mutex_);
  all_encoded_ = true;
}

void Batcher::AnswerBatches() {
  for (;;) {
    std::optional<Batch> batch;
    {
      absl::MutexLock lock(&mutex_);
      const auto something = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
        return encoded_.has_value() || all_encoded_;
      };
      mutex_.Await(absl::Condition(&something));
      batch = std::exchange(encoded_, std::nullopt);
    }
    if (!batch.has_value()) return;
    const BatchReport& report = batch->report();
    if (options_.before_search && report.places > 0) options_.before_search();
    batch->Search();
    if (options_.on_batch && (report.images > 0 || report.queries > 0)) options_.on_batch(report);
    {
      absl::MutexLock lock(&mutex_);
      drain_.Finished(report.places, report.pace);
    }
    batch->Answer();
  }
}

bool Batcher::MayStart() const {
  if (stopping_ || live_.taken() + background_images_ >= options_.max_batch) return true;
  if (options_.max_delay == absl::InfiniteDuration()) return false;
  // Searches do not wait for adds.
  return (live_.empty() ? last_joined_.background : last_joined_.live) <= 1;
}

SteadyTime Batcher::OldestWaiting() const {
  SteadyTime oldest = SteadyTime::InfiniteFuture();
  live_.VisitOldest([&](const Waiting& waiting) { oldest = std::min(oldest, waiting.since); });
  if (!background_.empty()) oldest = std::min(oldest, background_.front().since);
  return oldest;
}

void Batcher::AwaitCompany() {
  const SteadyTime oldest = OldestWaiting();
  // Nobody came for so long that the company of the last batch says nothing about this one.
  if (oldest - last_encoded_ > options_.max_delay) last_joined_ = {};
  const auto may_start = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return MayStart(); };
  changed_.Until(&mutex_, oldest + options_.max_delay, may_start);
}

Batch Batcher::NextBatch() {
  absl::MutexLock lock(&mutex_);
  const auto possible = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return !encoded_.has_value() && (stopping_ || !IsIdle());
  };
  mutex_.Await(absl::Condition(&possible));
  Batch batch(options_.clock);
  if (IsIdle()) return batch;
  AwaitCompany();
  const bool starved = !background_.empty() &&
                       background_.front().since + options_.max_background_wait <= options_.clock();
  Joined joined;
  if (starved) joined.background = TakeBackground(1, batch);
  joined.live = TakeLive(batch);
  const int room = BackgroundRoom(joined.live > 0);
  joined.background += TakeBackground(room - joined.background, batch);
  last_joined_ = joined;
  return batch;
}

int Batcher::BackgroundRoom(bool has_live) const {
  if (!has_live && last_live_ + options_.live_interval <= options_.clock()) {
    return options_.max_batch;
  }
  return encoding_.Fitting(options_.max_background_time, options_.max_batch);
}

int Batcher::TakeLive(Batch& batch) {
  int taken = 0;
  for (; !live_.empty(); ++taken) {
    if (!batch.empty() && batch.places() + live_.NextPlaces() > options_.max_batch) break;
    Waiting next = live_.Pop();
    batch.Add(std::move(next.request), next.since);
  }
  return taken;
}

int Batcher::TakeBackground(int most, Batch& batch) {
  int taken = 0;
  while (!background_.empty()) {
    Waiting& next = background_.front();
    const int places = Batch::PlacesOf(next.request);
    if (!batch.empty() && (taken + places > most || batch.places() + places > options_.max_batch)) {
      break;
    }
    taken += places;
    background_images_ -= places;
    batch.Add(std::move(next.request), next.since);
    background_.pop_front();
  }
  return taken;
}

}  // namespace s2p
