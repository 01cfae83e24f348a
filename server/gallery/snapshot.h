// What a query is answered with: one version of the model and the gallery embedded with it.
#ifndef S2P_SERVER_GALLERY_SNAPSHOT_H_
#define S2P_SERVER_GALLERY_SNAPSHOT_H_

#include <cstdint>
#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "model/encoder.h"
#include "server/gallery/gallery_view.h"
#include "server/gallery/reaper.h"

namespace s2p {

// Encoder and view are always of the same version. Immutable; held by shared_ptr for as long as a
// batch needs it, so that a swap never pulls anything away from under a query.
struct Snapshot {
  int64_t version = 0;
  std::shared_ptr<const Encoder> encoder;
  std::shared_ptr<const GalleryView> gallery;
};

// The slot that holds the snapshot being served. Thread-safe; Get is a pointer copy under a lock
// that is never held for work. Not std::atomic<shared_ptr>: that is C++20.
class SnapshotSlot {
 public:
  // Null before the first model. Whoever drops it last, the slot's reaper frees it.
  std::shared_ptr<const Snapshot> Get() const {
    absl::MutexLock lock(&mutex_);
    return snapshot_;
  }
  // Returns the one replaced, so that it never dies under the lock.
  std::shared_ptr<const Snapshot> Set(std::shared_ptr<const Snapshot> snapshot) {
    snapshot = reaper_.Guard(std::move(snapshot));
    absl::MutexLock lock(&mutex_);
    snapshot_.swap(snapshot);
    return snapshot;
  }
  // For a part of a snapshot that is held apart from it, too.
  template <typename T>
  std::shared_ptr<const T> Guard(std::shared_ptr<const T> part) const {
    return reaper_.Guard(std::move(part));
  }

 private:
  // Dies after the snapshot, which it frees.
  const Reaper reaper_;
  mutable absl::Mutex mutex_;
  std::shared_ptr<const Snapshot> snapshot_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace s2p

#endif  // S2P_SERVER_GALLERY_SNAPSHOT_H_
