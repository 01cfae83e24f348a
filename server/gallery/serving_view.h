// The view of the gallery that is being searched.
#ifndef S2P_SERVER_GALLERY_SERVING_VIEW_H_
#define S2P_SERVER_GALLERY_SERVING_VIEW_H_

#include <cstdint>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "model/encoder.h"
#include "server/gallery/gallery_view.h"
#include "server/gallery/indexed_gallery_view.h"
#include "server/gallery/snapshot.h"

namespace s2p {

// Holds the newest view with its encoder, puts both into the slot as one snapshot, and counts the
// gallery's items. The slot's reaper frees what Publish replaces, so callers may hold a lock.
// Thread-safe; its own lock is never held for work.
class ServingView {
 public:
  // `slot` must outlive it.
  ServingView(SnapshotSlot* slot, const GalleryTotals& totals);

  // Null before the first model.
  std::shared_ptr<const IndexedGalleryView> view() const;
  // The version of the model that serves; 0 before the first.
  int64_t version() const;
  GalleryTotals totals() const;

  // Replaces the view by one of the same model.
  void Publish(std::shared_ptr<const IndexedGalleryView> view);
  // Replaces model and view together; null: the same model.
  void Publish(std::shared_ptr<const Encoder> encoder,
               std::shared_ptr<const IndexedGalleryView> view);
  void CountAdded(const GalleryItem& item);
  void CountRemoved(const GalleryItem& item);

  // Waits until the view needs compaction and has more than `min_pending` pending rows. False once
  // Close was called.
  bool AwaitCompactable(int64_t min_pending) const;
  // Ends every AwaitCompactable, now and later.
  void Close();
  bool closed() const;

 private:
  void Count(const GalleryItem& item, bool added);

  SnapshotSlot* const slot_;

  mutable absl::Mutex mutex_;
  std::shared_ptr<const Encoder> encoder_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<const IndexedGalleryView> view_ ABSL_GUARDED_BY(mutex_);
  GalleryTotals totals_ ABSL_GUARDED_BY(mutex_);
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace s2p

#endif  // S2P_SERVER_GALLERY_SERVING_VIEW_H_
