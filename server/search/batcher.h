// Joins many small requests into few full batches for the encoder.
#ifndef S2P_SERVER_SEARCH_BATCHER_H_
#define S2P_SERVER_SEARCH_BATCHER_H_

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/steady_time.h"
#include "base/steady_wait.h"
#include "daemon/callers/fair_queue.h"
#include "daemon/drain_estimate.h"
#include "server/gallery/snapshot.h"
#include "server/search/batch.h"
#include "server/search/batch_request.h"

namespace s2p {

struct BatcherOptions {
  // Images per batch, in [1, 256]. A larger request gets a batch of its own.
  int max_batch = 32;
  // Longest wait for a batch to fill, counted from when its oldest request was queued. Only a batch
  // that may expect company waits: the one before it joined several requests, and the queue has not
  // been empty for longer than this since. A lone request starts at once, and what comes while a
  // batch is encoded is the next batch. 0: none waits. Infinite: every batch waits until it is full
  // or Stop is called (for tests).
  absl::Duration max_delay = absl::Milliseconds(2);
  // Live images that may wait, in [1, 100000]. As many again are accepted from callers below their
  // share (FairQueue).
  int max_queue = 256;
  // A background request that has waited this long goes first in the next batch, however many live
  // ones wait, and however long it takes. Otherwise uninterrupted searches would block every add.
  absl::Duration max_background_wait = absl::Seconds(1);
  // How much longer background images may make the encoding of a batch of live ones, estimated from
  // the batches before; until there was any, one image joins. A request that has waited for
  // max_background_wait joins in any case. Infinite: while there are places.
  absl::Duration max_background_time = absl::Milliseconds(10);
  // For this long after a live request, a batch of background requests alone takes at most as much
  // time (or one request), because the next live request waits until it is encoded.
  absl::Duration live_interval = absl::Seconds(1);
  // Tells the time of everything but the wait for a batch to fill; tests replace it. Thread-safe.
  Batch::Clock clock = &SteadyTime::Now;
  // Optional: called on the thread that answers, before it searches for a batch that has been
  // encoded: to set how many processors that takes.
  std::function<void()> before_search;
  // Optional: called after each batch, on the thread that answers.
  std::function<void(const BatchReport&)> on_batch;
};

// Forms batches: one forward pass for all images of a batch, one pass of the index for all its
// queries (a matrix product, many times faster than one query after the other).
//
// Two threads make a pipeline of two stages: while one searches for a batch and answers it, the
// other encodes the next. An encoded batch waits for the second stage if that is the slower one,
// and no other is formed meanwhile: at most two exist, and whoever comes later joins the next.
//
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

  // Takes ownership of the request. On error, `done` is never called: as CheckRoom.
  absl::Status Submit(BatchRequest request);

  // Whether Submit would take the request now, so that nobody preprocesses in vain: BusyError if
  // the queue is full for its caller, with the estimated time until it is empty (background
  // requests are not counted; their senders limit them); Unavailable after Stop.
  absl::Status CheckRoom(const BatchRequest& request) const;

  // Live images that are waiting.
  int queue_depth() const;

  // Refuses new requests, computes and answers those that wait, and ends the threads. Idempotent;
  // for one thread at a time.
  void Stop();

 private:
  struct Waiting {
    BatchRequest request;
    SteadyTime since;
  };
  // Live requests and background images of a batch.
  struct Joined {
    int live = 0;
    int background = 0;
  };

  Batcher(const BatcherOptions& options, const SnapshotSlot* slot);
  // The two threads.
  void EncodeBatches();
  void AnswerBatches();
  // Blocks until there is a batch, and room for it behind the first stage. Empty after Stop, once
  // nothing is waiting.
  Batch NextBatch();
  // When the oldest of those that wait began to.
  SteadyTime OldestWaiting() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Waits for a batch to fill.
  void AwaitCompany() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status CheckRoomLocked(const BatchRequest& request) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // No further request could join, or none is expected.
  bool MayStart() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool IsIdle() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return live_.empty() && background_.empty();
  }
  // Background images that may join a batch with or without live ones.
  int BackgroundRoom(bool has_live) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Move requests into the batch while they fit: live ones in turn, background ones with at most
  // `most` images in all. Into an empty batch they move one request at least. Return how many live
  // requests, or background images, they moved.
  int TakeLive(Batch& batch) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  int TakeBackground(int most, Batch& batch) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const BatcherOptions options_;
  const SnapshotSlot* const slot_;

  mutable absl::Mutex mutex_;
  // Told when something was queued or the batcher stops.
  SteadyWait changed_;
  FairQueue<Waiting> live_ ABSL_GUARDED_BY(mutex_);
  std::deque<Waiting> background_ ABSL_GUARDED_BY(mutex_);
  int background_images_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  // When the last live request came.
  SteadyTime last_live_ ABSL_GUARDED_BY(mutex_) = SteadyTime::InfinitePast();
  // The size of the batch that was formed last, and when it was encoded.
  Joined last_joined_ ABSL_GUARDED_BY(mutex_);
  SteadyTime last_encoded_ ABSL_GUARDED_BY(mutex_) = SteadyTime::InfinitePast();
  // Between the stages. Nothing is formed while this holds a batch.
  std::optional<Batch> encoded_ ABSL_GUARDED_BY(mutex_);
  bool all_encoded_ ABSL_GUARDED_BY(mutex_) = false;
  // Time in the queue per place, and in the forward pass per image.
  DrainEstimate drain_ ABSL_GUARDED_BY(mutex_);
  DrainEstimate encoding_ ABSL_GUARDED_BY(mutex_);

  std::thread encode_thread_;
  std::thread answer_thread_;
};

}  // namespace s2p

#endif  // S2P_SERVER_SEARCH_BATCHER_H_
