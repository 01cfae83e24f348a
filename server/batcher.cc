#include "server/batcher.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "model/check.h"

namespace s2p {
namespace {

// A request without images still takes a place.
int PlacesOf(const BatchRequest& request) {
  return std::max(1, static_cast<int>(request.images.size()));
}

// Why the request is not worth computing any more; OK if it is.
absl::Status GivenUp(const BatchRequest& request, absl::Time now) {
  if (request.cancelled && request.cancelled()) return absl::CancelledError("cancelled");
  if (request.deadline <= now) {
    return absl::DeadlineExceededError("the deadline passed before the request was computed");
  }
  return absl::OkStatus();
}

EmbeddingMatrix Rows(const EmbeddingMatrix& matrix, int begin, int count) {
  EmbeddingMatrix rows(count, matrix.dimension());
  for (int i = 0; i < count; ++i) {
    const auto from = matrix.row(begin + i);
    std::copy(from.begin(), from.end(), rows.row(i).begin());
  }
  return rows;
}

absl::StatusOr<Encoding> Encode(const Snapshot& snapshot,
                                absl::Span<const BatchRequest* const> requests) {
  std::vector<EncoderInput> inputs;
  for (const BatchRequest* request : requests) {
    for (size_t i = 0; i < request->images.size(); ++i) {
      inputs.push_back({&request->images[i], request->modalities[i]});
    }
  }
  if (inputs.empty()) return Encoding();
  return snapshot.encoder->Encode(inputs);
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
  if (options.max_delay < absl::ZeroDuration()) {
    return absl::InvalidArgumentError("max_delay must not be negative");
  }
  return std::unique_ptr<Batcher>(new Batcher(options, slot));
}

Batcher::Batcher(const BatcherOptions& options, const SnapshotSlot* slot)
    : options_(options), slot_(slot), thread_([this] { Run(); }) {}

Batcher::~Batcher() { Stop(); }

absl::Status Batcher::Submit(BatchRequest request) {
  S2P_CHECK(request.images.size() == request.modalities.size() && request.done);
  const int places = PlacesOf(request);
  absl::MutexLock lock(&mutex_);
  if (stopping_) return absl::UnavailableError("the server is shutting down");
  if (request.priority == BatchRequest::Priority::kBackground) {
    background_images_ += places;
    background_.push_back({std::move(request), absl::Now()});
    return absl::OkStatus();
  }
  if (live_images_ + places > options_.max_queue) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the queue is full: ", live_images_, " images wait already"));
  }
  live_images_ += places;
  live_.push_back({std::move(request), absl::Now()});
  return absl::OkStatus();
}

int Batcher::queue_depth() const {
  absl::MutexLock lock(&mutex_);
  return live_images_;
}

void Batcher::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  if (thread_.joinable()) thread_.join();
}

void Batcher::Run() {
  for (;;) {
    std::vector<Waiting> batch = NextBatch();
    if (batch.empty()) return;
    Execute(std::move(batch));
  }
}

bool Batcher::BatchIsFull() const {
  return stopping_ || live_images_ + background_images_ >= options_.max_batch;
}

std::vector<Batcher::Waiting> Batcher::NextBatch() {
  absl::MutexLock lock(&mutex_);
  const auto something = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return stopping_ || !IsIdle();
  };
  mutex_.Await(absl::Condition(&something));
  if (IsIdle()) return {};
  absl::Time oldest = absl::InfiniteFuture();
  for (const auto* queue : {&live_, &background_}) {
    if (!queue->empty()) oldest = std::min(oldest, queue->front().since);
  }
  const auto full = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return BatchIsFull(); };
  mutex_.AwaitWithDeadline(absl::Condition(&full), oldest + options_.max_delay);
  std::vector<Waiting> batch;
  int images = 0;
  TakeFrom(live_, images, batch);
  live_images_ -= images;
  const int live = images;
  TakeFrom(background_, images, batch);
  background_images_ -= images - live;
  return batch;
}

void Batcher::TakeFrom(std::deque<Waiting>& queue, int& images, std::vector<Waiting>& batch) {
  while (!queue.empty()) {
    const int places = PlacesOf(queue.front().request);
    if (!batch.empty() && images + places > options_.max_batch) return;
    images += places;
    batch.push_back(std::move(queue.front()));
    queue.pop_front();
  }
}

void Batcher::Execute(std::vector<Waiting> batch) {
  const absl::Time begin = absl::Now();
  const std::shared_ptr<const Snapshot> snapshot = slot_->Get();
  std::vector<Waiting*> alive;
  for (Waiting& waiting : batch) {
    absl::Status status = GivenUp(waiting.request, begin);
    if (status.ok() && snapshot == nullptr) {
      status = absl::UnavailableError("no model serves yet");
    }
    if (status.ok()) {
      alive.push_back(&waiting);
    } else {
      waiting.request.done(std::move(status));
    }
  }
  if (alive.empty()) return;

  std::vector<const BatchRequest*> requests;
  for (const Waiting* waiting : alive) requests.push_back(&waiting->request);
  const auto encoding = Encode(*snapshot, requests);
  if (encoding.ok() && options_.on_batch && encoding->embeddings.rows() > 0) {
    options_.on_batch(
        {encoding->embeddings.rows(), encoding->preprocess_time, encoding->encode_time});
  }
  int row = 0;
  for (size_t i = 0; i < alive.size(); ++i) {
    BatchRequest& request = alive[i]->request;
    const int count = static_cast<int>(request.images.size());
    absl::StatusOr<BatchResult> result = BatchResult{snapshot, {}, begin - alive[i]->since};
    if (encoding.ok()) {
      result->encoding.embeddings = Rows(encoding->embeddings, row, count);
      result->encoding.attributes =
          count == 0 ? EmbeddingMatrix() : Rows(encoding->attributes, row, count);
      result->encoding.preprocess_time = encoding->preprocess_time;
      result->encoding.encode_time = encoding->encode_time;
      row += count;
    } else if (alive.size() > 1) {
      // One request's fault must not be another's: each by itself.
      auto own = Encode(*snapshot, {requests[i]});
      if (own.ok()) {
        result->encoding = *std::move(own);
      } else {
        result = own.status();
      }
    } else {
      result = encoding.status();
    }
    request.done(std::move(result));
  }
}

}  // namespace s2p
