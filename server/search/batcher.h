// Between requests and the encoder: many small requests become few full batches.
#ifndef S2P_SERVER_SEARCH_BATCHER_H_
#define S2P_SERVER_SEARCH_BATCHER_H_

#include <deque>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "daemon/drain_estimate.h"
#include "model/encoder.h"
#include "server/gallery/gallery_view.h"
#include "server/gallery/snapshot.h"

namespace s2p {

// What happened in one forward pass, for metrics.
struct BatchReport {
  int images = 0;
  absl::Duration preprocess_time;
  absl::Duration encode_time;
  // 0 where nobody searched.
  int queries = 0;
  absl::Duration search_time;
};

struct BatcherOptions {
  // Images a batch, in [1, 256]. A request with more is a batch by itself.
  int max_batch = 32;
  // Longest wait for a batch to fill once something is queued. 0: none. Infinite: until it is full
  // or Stop is called (for tests).
  absl::Duration max_delay = absl::Milliseconds(2);
  // Live requests waiting, counted in images, in [1, 100000]; beyond, they are refused.
  int max_queue = 256;
  // A background request that has waited for so long has the next batch's first place, however many
  // live ones wait: without it, searches without a pause would put off every add for ever.
  absl::Duration max_background_wait = absl::Seconds(1);
  // Optional: called after each batch, on the batch thread.
  std::function<void(const BatchReport&)> on_batch;
};

// What a request gets back: its rows of the batch, and the snapshot that the whole batch used.
struct BatchResult {
  std::shared_ptr<const Snapshot> snapshot;
  // Rows in the order of the request's images; times are the whole batch's.
  Encoding encoding;
  // Of the request's query, if it had one, in the snapshot's gallery.
  std::vector<GalleryMatch> matches;
  absl::Duration queue_time;
  // The whole batch's.
  absl::Duration search_time;
};

// One request: images to embed with one snapshot, perhaps none, and perhaps a search.
struct BatchRequest {
  enum class Priority {
    // A person waits.
    kLive,
    // Photos being added; run when no live request waits, or to fill up a batch.
    kBackground
  };

  std::vector<Image> images;
  // One each.
  std::vector<v1::Modality> modalities;
  // Optional: makes the vector, of one row, that the snapshot's gallery is searched with, from the
  // embeddings of the images. Its error is the request's.
  std::function<absl::StatusOr<EmbeddingMatrix>(const EmbeddingMatrix&, const GalleryView&)> query;
  GallerySearchOptions search;
  Priority priority = Priority::kLive;
  // Dropped before it costs compute once this has passed, or `cancelled` (optional; called from
  // another thread) says so.
  absl::Time deadline = absl::InfiniteFuture();
  std::function<bool()> cancelled;
  // Called exactly once, on the batch thread; what it does delays the next batch. Unavailable
  // before the first model; DeadlineExceeded, Cancelled; else as Encoder::Encode, `query` and
  // GalleryView::Search.
  std::function<void(absl::StatusOr<BatchResult>)> done;
};

// Forms batches on a thread of its own: one forward pass for all images of a batch, one pass of the
// index for all its queries (a matrix product, many times faster than one query after the other).
// Each batch takes the slot's snapshot once, so no answer mixes versions. What fails for one
// request is repeated for each by itself, so that it fails alone. Thread-safe.
class Batcher {
 public:
  // `slot` must outlive the batcher. InvalidArgument naming a bad option.
  static absl::StatusOr<std::unique_ptr<Batcher>> Create(const BatcherOptions& options,
                                                         const SnapshotSlot* slot);
  // As Stop.
  ~Batcher();

  // Takes the request over, or returns why not and never calls `done`: BusyError when the queue is
  // full, with about the time that it takes to empty (background requests are not counted: who
  // sends them bounds them), Unavailable after Stop.
  absl::Status Submit(BatchRequest request);

  // Live images that wait.
  int queue_depth() const;

  // Refuses new requests, finishes those that wait, ends the thread. Idempotent.
  void Stop();

 private:
  struct Waiting {
    BatchRequest request;
    absl::Time since;
  };

  Batcher(const BatcherOptions& options, const SnapshotSlot* slot);
  void Run();
  // Blocks until there is a batch; empty after Stop when nothing waits any more.
  std::vector<Waiting> NextBatch();
  bool BatchIsFull() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool IsIdle() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return live_.empty() && background_.empty();
  }
  // Moves requests into the batch while they fit; the number of images taken. `most`: requests.
  int TakeFrom(std::deque<Waiting>& queue, size_t most, int& images, std::vector<Waiting>& batch)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Execute(std::vector<Waiting> batch);

  const BatcherOptions options_;
  const SnapshotSlot* const slot_;

  mutable absl::Mutex mutex_;
  std::deque<Waiting> live_ ABSL_GUARDED_BY(mutex_);
  std::deque<Waiting> background_ ABSL_GUARDED_BY(mutex_);
  int live_images_ ABSL_GUARDED_BY(mutex_) = 0;
  int background_images_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  DrainEstimate drain_ ABSL_GUARDED_BY(mutex_);

  std::thread thread_;
};

}  // namespace s2p

#endif  // S2P_SERVER_SEARCH_BATCHER_H_
