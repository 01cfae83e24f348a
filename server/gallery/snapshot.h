// One version of the model and the gallery embedded with it: what answers a query.
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

// Encoder and view always have the same version. A batch holds the shared_ptr while it runs, so a
// swap never takes anything away from a query. Immutable.
struct Snapshot {
  int64_t version = 0;
  std::shared_ptr<const Encoder> encoder;
  std::shared_ptr<const GalleryView> gallery;
};

// Holds the snapshot that is being served. Get copies a pointer under a lock that is never held for
// work. (std::atomic<shared_ptr> is C++20.) Thread-safe.
//
//   const std::shared_ptr<const Snapshot> snapshot = slot.Get();  // once a batch
//   if (snapshot != nullptr) snapshot->encoder->Encode(...);      // swaps cannot disturb this
class SnapshotSlot {
 public:
  // Null before the first model. The slot's reaper frees it, whoever drops it last.
  std::shared_ptr<const Snapshot> Get() const {
    absl::MutexLock lock(&mutex_);
    return snapshot_;
  }
  // Returns the replaced snapshot, so that it never dies under the lock.
  std::shared_ptr<const Snapshot> Set(std::shared_ptr<const Snapshot> snapshot) {
    snapshot = reaper_.Guard(std::move(snapshot));
    absl::MutexLock lock(&mutex_);
    snapshot_.swap(snapshot);
    return snapshot;
  }
  // Guards a part of a snapshot that is also held on its own.
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
