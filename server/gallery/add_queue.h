// Adds that wait for one another are written together: one transaction and one sync for all.
#ifndef S2P_SERVER_GALLERY_ADD_QUEUE_H_
#define S2P_SERVER_GALLERY_ADD_QUEUE_H_

#include <cstddef>
#include <deque>
#include <functional>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "server/gallery/new_item.h"

namespace s2p {

// While one caller writes, the others queue up; the next of them writes for all. No thread of its
// own. Thread-safe.
class AddQueue {
 public:
  // Writes items, returns one outcome each. Called by one thread at a time.
  using Write =
      std::function<std::vector<absl::StatusOr<AddResult>>(absl::Span<const NewItem* const>)>;

  explicit AddQueue(Write write) : write_(std::move(write)) {}

  // Returns one outcome per item, in order, once they are written. Borrows the items.
  std::vector<absl::StatusOr<AddResult>> Add(absl::Span<const NewItem> items);

  // Calls that wait for their turn to be written.
  size_t waiting() const;

 private:
  // One call of Add; `results` and `done` are guarded by turn_.
  struct Waiting {
    absl::Span<const NewItem> items;
    std::vector<absl::StatusOr<AddResult>> results;
    bool done = false;
  };
  // Takes calls off the queue, up to a bound on their items.
  std::vector<Waiting*> TakeWaiting();
  void WriteTogether(absl::Span<Waiting* const> calls) ABSL_EXCLUSIVE_LOCKS_REQUIRED(turn_);

  const Write write_;

  // Held by the caller who writes; taken before mutex_.
  absl::Mutex turn_ ABSL_ACQUIRED_BEFORE(mutex_);
  // Never held for work.
  mutable absl::Mutex mutex_;
  std::deque<Waiting*> waiting_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace s2p

#endif  // S2P_SERVER_GALLERY_ADD_QUEUE_H_
