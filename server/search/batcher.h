// Joins many small requests into few full batches for the encoder.
#ifndef S2P_SERVER_SEARCH_BATCHER_H_
#define S2P_SERVER_SEARCH_BATCHER_H_

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/steady_time.h"
#include "base/steady_wait.h"
#include "daemon/callers/fair_queue.h"
#include "daemon/drain_estimate.h"
#include "model/encoder.h"
#include "server/gallery/gallery_view.h"
#include "server/gallery/snapshot.h"

namespace s2p {

// One forward pass, for metrics.
struct BatchReport {
  int images = 0;
  absl::Duration preprocess_time;
  absl::Duration encode_time;
  // 0 if no request searched.
  int queries = 0;
  absl::Duration search_time;
};

struct BatcherOptions {
  // Images per batch, in [1, 256]. A larger request gets a batch of its own.
  int max_batch = 32;
  // Longest wait for a batch to fill once a request is queued. 0: none. Infinite: until it is full
  // or Stop is called (for tests).
  absl::Duration max_delay = absl::Milliseconds(2);
  // Live images that may wait, in [1, 100000]. As many again are accepted from callers below their
  // share (FairQueue).
  int max_queue = 256;
  // A background request that has waited this long goes first in the next batch, however many live
  // ones wait. Otherwise uninterrupted searches would block every add.
  absl::Duration max_background_wait = absl::Seconds(1);
  // Optional: called after each batch, on the batch thread.
  std::function<void(const BatchReport&)> on_batch;
};

// The answer to a request: its rows of the batch, and the snapshot that the whole batch used.
struct BatchResult {
  std::shared_ptr<const Snapshot> snapshot;
  // Rows in the order of the request's images; times are the whole batch's.
  Encoding encoding;
  // Matches of the request's query, if it has one, in the snapshot's gallery.
  std::vector<GalleryMatch> matches;
  absl::Duration queue_time;
  // For the whole batch.
  absl::Duration search_time;
};

// One request: images to embed with one snapshot, perhaps none, and perhaps a search.
struct BatchRequest {
  enum class Priority {
    // Someone is waiting.
    kLive,
    // Photos being added; they run when no live request waits, or fill up a batch.
    kBackground
  };

  std::vector<Image> images;
  // One per image.
  std::vector<v1::Modality> modalities;
  // Optional: computes the query vector (one row) for the snapshot's gallery from the embeddings of
  // the images. Its error becomes the request's.
  std::function<absl::StatusOr<EmbeddingMatrix>(const EmbeddingMatrix&, const GalleryView&)> query;
  GallerySearchOptions search;
  Priority priority = Priority::kLive;
  // Whose turn a live request is, as Caller::queue. Background requests keep their order.
  std::string caller;
  // The request is dropped before it costs compute once this has passed or `cancelled` (optional;
  // called on another thread) returns true.
  SteadyTime deadline = SteadyTime::InfiniteFuture();
  std::function<bool()> cancelled;
  // Called exactly once, on the batch thread, so its work delays the next batch. Unavailable before
  // the first model; DeadlineExceeded, Cancelled; else as Encoder::Encode, `query` and
  // GalleryView::Search.
  std::function<void(absl::StatusOr<BatchResult>)> done;
};

// Forms batches on a thread of its own: one forward pass for all images of a batch, one pass of the
// index for all its queries (a matrix product, many times faster than one query after the other).
// Each batch takes the slot's snapshot once, so no answer mixes versions. Callers take turns:
// whoever sends one request does not wait for the backlog of whoever sends hundreds. If a batch
// fails, each request is retried alone, so one bad request cannot fail the others. Thread-safe.
class Batcher {
 public:
  // `slot` must outlive the batcher. InvalidArgument naming a bad option.
  static absl::StatusOr<std::unique_ptr<Batcher>> Create(const BatcherOptions& options,
                                                         const SnapshotSlot* slot);
  // Calls Stop.
  ~Batcher();

  // Takes ownership of the request. On error, `done` is never called: BusyError if the queue is
  // full for its caller, with the estimated time until it is empty (background requests are not
  // counted; their senders limit them); Unavailable after Stop.
  absl::Status Submit(BatchRequest request);

  // Live images that are waiting.
  int queue_depth() const;

  // Refuses new requests, finishes the waiting ones, and ends the thread. Idempotent.
  void Stop();

 private:
  struct Waiting {
    BatchRequest request;
    SteadyTime since;
  };

  Batcher(const BatcherOptions& options, const SnapshotSlot* slot);
  void Run();
  // Blocks until there is a batch. Empty after Stop, once nothing is waiting.
  std::vector<Waiting> NextBatch();
  bool BatchIsFull() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool IsIdle() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return live_.empty() && background_.empty();
  }
  // Moves live requests, in turn, or at most `most` background requests into the batch while they
  // fit. `images` are those of the batch.
  void TakeLive(int& images, std::vector<Waiting>& batch) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void TakeBackground(size_t most, int& images, std::vector<Waiting>& batch)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Execute(std::vector<Waiting> batch);

  const BatcherOptions options_;
  const SnapshotSlot* const slot_;

  mutable absl::Mutex mutex_;
  // Told when something was queued or the batcher stops.
  SteadyWait changed_;
  FairQueue<Waiting> live_ ABSL_GUARDED_BY(mutex_);
  std::deque<Waiting> background_ ABSL_GUARDED_BY(mutex_);
  int background_images_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  DrainEstimate drain_ ABSL_GUARDED_BY(mutex_);

  std::thread thread_;
};

}  // namespace s2p

#endif  // S2P_SERVER_SEARCH_BATCHER_H_
