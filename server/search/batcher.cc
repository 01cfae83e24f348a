#include "server/search/batcher.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "daemon/retry_after.h"

namespace s2p {
namespace {

// A request without images still takes one place.
int PlacesOf(const BatchRequest& request) {
  return std::max(1, static_cast<int>(request.images.size()));
}

// OK unless the request is no longer worth computing.
absl::Status CheckWanted(const BatchRequest& request, SteadyTime now) {
  if (request.cancelled && request.cancelled()) return absl::CancelledError("cancelled");
  if (request.deadline <= now) {
    return absl::DeadlineExceededError("the deadline passed before the request was computed");
  }
  return absl::OkStatus();
}

EmbeddingMatrix Rows(const EmbeddingMatrix& matrix, int first, int count) {
  EmbeddingMatrix rows(count, matrix.dimension());
  for (int i = 0; i < count; ++i) {
    const auto from = matrix.row(first + i);
    std::copy(from.begin(), from.end(), rows.row(i).begin());
  }
  return rows;
}

absl::StatusOr<Encoding> Encode(const Encoder& encoder,
                                absl::Span<const BatchRequest* const> requests) {
  std::vector<EncoderInput> inputs;
  for (const BatchRequest* request : requests) {
    for (size_t i = 0; i < request->images.size(); ++i) {
      inputs.push_back({&request->images[i], request->modalities[i]});
    }
  }
  if (inputs.empty()) return Encoding();
  return encoder.Encode(inputs);
}

// One request of the batch that runs.
struct Entry {
  BatchRequest* request;
  absl::StatusOr<BatchResult> result;
  // The query vector: one row if the request searches, else none.
  EmbeddingMatrix query;
};

// Gives each request its rows of the encoding, or its error.
void EncodeAll(const Encoder& encoder, std::vector<Entry>& batch, BatchReport& report) {
  std::vector<const BatchRequest*> requests;
  for (const Entry& entry : batch) requests.push_back(entry.request);
  const auto encoding = Encode(encoder, requests);
  if (encoding.ok()) {
    report.images = encoding->embeddings.rows();
    report.preprocess_time = encoding->preprocess_time;
    report.encode_time = encoding->encode_time;
  }
  int row = 0;
  for (Entry& entry : batch) {
    const int count = static_cast<int>(entry.request->images.size());
    if (encoding.ok()) {
      Encoding& own = entry.result->encoding;
      own.embeddings = Rows(encoding->embeddings, row, count);
      own.attributes = count == 0 ? EmbeddingMatrix() : Rows(encoding->attributes, row, count);
      own.preprocess_time = encoding->preprocess_time;
      own.encode_time = encoding->encode_time;
      row += count;
    } else if (batch.size() == 1) {
      entry.result = encoding.status();
    } else {
      auto own = Encode(encoder, {entry.request});
      if (own.ok()) {
        entry.result->encoding = *std::move(own);
      } else {
        entry.result = own.status();
      }
    }
  }
}

absl::Status Search(const GalleryView& gallery, absl::Span<Entry* const> searching) {
  EmbeddingMatrix queries(static_cast<int>(searching.size()), gallery.dimension());
  std::vector<GallerySearchOptions> options;
  for (size_t i = 0; i < searching.size(); ++i) {
    const EmbeddingMatrix& query = searching[i]->query;
    std::copy_n(query.data(), query.dimension(), queries.row(static_cast<int>(i)).begin());
    options.push_back(searching[i]->request->search);
  }
  S2P_ASSIGN_OR_RETURN(auto matches, gallery.Search(queries, options));
  for (size_t i = 0; i < searching.size(); ++i) {
    searching[i]->result->matches = std::move(matches[i]);
  }
  return absl::OkStatus();
}

// The query of a request that this gallery can answer: one that it refuses would fail the search of
// the whole batch.
absl::StatusOr<EmbeddingMatrix> QueryOf(const Entry& entry, const GalleryView& gallery) {
  S2P_RETURN_IF_ERROR(gallery.CheckFilter(entry.request->search.filter));
  return entry.request->query(entry.result->encoding.embeddings, gallery);
}

// Searches for each request that has a query and no error.
void SearchAll(const GalleryView& gallery, std::vector<Entry>& batch, BatchReport& report) {
  const SteadyTime start = SteadyTime::Now();
  std::vector<Entry*> searching;
  for (Entry& entry : batch) {
    if (!entry.request->query || !entry.result.ok()) continue;
    auto query = QueryOf(entry, gallery);
    if (query.ok()) {
      S2P_CHECK(query->rows() == 1 && query->dimension() == gallery.dimension());
      entry.query = *std::move(query);
      searching.push_back(&entry);
    } else {
      entry.result = query.status();
    }
  }
  if (searching.empty()) return;
  if (absl::Status status = Search(gallery, searching); !status.ok()) {
    for (Entry* entry : searching) {
      if (searching.size() > 1) status = Search(gallery, {entry});
      if (!status.ok()) entry->result = status;
    }
  }
  report.queries = static_cast<int>(searching.size());
  report.search_time = SteadyTime::Now() - start;
  for (Entry* entry : searching) {
    if (entry->result.ok()) entry->result->search_time = report.search_time;
  }
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
  if (options.max_background_wait < absl::ZeroDuration()) {
    return absl::InvalidArgumentError("max_background_wait must not be negative");
  }
  if (options.max_delay < absl::ZeroDuration()) {
    return absl::InvalidArgumentError("max_delay must not be negative");
  }
  return std::unique_ptr<Batcher>(new Batcher(options, slot));
}

Batcher::Batcher(const BatcherOptions& options, const SnapshotSlot* slot)
    : options_(options), slot_(slot), live_(options.max_queue), thread_([this] { Run(); }) {}

Batcher::~Batcher() { Stop(); }

absl::Status Batcher::Submit(BatchRequest request) {
  S2P_CHECK(request.images.size() == request.modalities.size() && request.done);
  const int places = PlacesOf(request);
  absl::MutexLock lock(&mutex_);
  if (stopping_) return absl::UnavailableError("the server is shutting down");
  if (request.priority == BatchRequest::Priority::kBackground) {
    background_images_ += places;
    background_.push_back({std::move(request), SteadyTime::Now()});
    changed_.NotifyAll();
    return absl::OkStatus();
  }
  if (!live_.HasRoom(request.caller, places)) {
    return BusyError(absl::StrCat("the queue is full: ", live_.taken(), " images are waiting"),
                     drain_.For(live_.taken(), 1));
  }
  const std::string caller = request.caller;
  live_.Push(caller, {std::move(request), SteadyTime::Now()}, places);
  changed_.NotifyAll();
  return absl::OkStatus();
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
  return stopping_ || live_.taken() + background_images_ >= options_.max_batch;
}

std::vector<Batcher::Waiting> Batcher::NextBatch() {
  absl::MutexLock lock(&mutex_);
  const auto something = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return stopping_ || !IsIdle();
  };
  mutex_.Await(absl::Condition(&something));
  if (IsIdle()) return {};
  SteadyTime oldest = SteadyTime::InfiniteFuture();
  live_.VisitOldest([&](const Waiting& waiting) { oldest = std::min(oldest, waiting.since); });
  if (!background_.empty()) oldest = std::min(oldest, background_.front().since);
  const auto full = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return BatchIsFull(); };
  changed_.Until(&mutex_, oldest + options_.max_delay, full);
  std::vector<Waiting> batch;
  int images = 0;
  const bool starved =
      !background_.empty() &&
      background_.front().since + options_.max_background_wait <= SteadyTime::Now();
  if (starved) TakeBackground(1, images, batch);
  TakeLive(images, batch);
  TakeBackground(background_.size(), images, batch);
  return batch;
}

void Batcher::TakeLive(int& images, std::vector<Waiting>& batch) {
  while (!live_.empty()) {
    const int places = live_.NextPlaces();
    if (!batch.empty() && images + places > options_.max_batch) return;
    images += places;
    batch.push_back(live_.Pop());
  }
}

void Batcher::TakeBackground(size_t most, int& images, std::vector<Waiting>& batch) {
  for (; most > 0 && !background_.empty(); --most) {
    const int places = PlacesOf(background_.front().request);
    if (!batch.empty() && images + places > options_.max_batch) return;
    images += places;
    background_images_ -= places;
    batch.push_back(std::move(background_.front()));
    background_.pop_front();
  }
}

void Batcher::Execute(std::vector<Waiting> batch) {
  const SteadyTime start = SteadyTime::Now();
  const std::shared_ptr<const Snapshot> snapshot = slot_->Get();
  std::vector<Entry> entries;
  int places = 0;
  for (Waiting& waiting : batch) {
    absl::Status status = CheckWanted(waiting.request, start);
    if (status.ok() && snapshot == nullptr) {
      status = absl::UnavailableError("no model serves yet");
    }
    if (!status.ok()) {
      waiting.request.done(std::move(status));
      continue;
    }
    BatchResult result;
    result.snapshot = snapshot;
    result.queue_time = start - waiting.since;
    entries.push_back({&waiting.request, std::move(result), {}});
    places += PlacesOf(waiting.request);
  }
  if (entries.empty()) return;
  BatchReport report;
  EncodeAll(*snapshot->encoder, entries, report);
  // A request gives its memory back in `done`, and others may take it then.
  for (Entry& entry : entries) entry.request->images.clear();
  if (snapshot->gallery != nullptr) SearchAll(*snapshot->gallery, entries, report);
  if (options_.on_batch && (report.images > 0 || report.queries > 0)) options_.on_batch(report);
  {
    absl::MutexLock lock(&mutex_);
    drain_.Finished(places, SteadyTime::Now() - start);
  }
  for (Entry& entry : entries) entry.request->done(std::move(entry.result));
}

}  // namespace s2p
