#include "server/gallery/serving_view.h"

#include <utility>

namespace s2p {

ServingView::ServingView(SnapshotSlot* slot, const GalleryTotals& totals)
    : slot_(slot), totals_(totals) {}

std::shared_ptr<const IndexedGalleryView> ServingView::view() const {
  absl::MutexLock lock(&mutex_);
  return view_;
}

int64_t ServingView::version() const {
  absl::MutexLock lock(&mutex_);
  return view_ == nullptr ? 0 : view_->version();
}

GalleryTotals ServingView::totals() const {
  absl::MutexLock lock(&mutex_);
  return totals_;
}

void ServingView::Publish(std::shared_ptr<const IndexedGalleryView> view) {
  Publish(/*encoder=*/nullptr, std::move(view));
}

void ServingView::Publish(std::shared_ptr<const Encoder> encoder,
                          std::shared_ptr<const IndexedGalleryView> view) {
  // A list or a write may hold the view for longer than any snapshot.
  view = slot_->Guard(std::move(view));
  auto snapshot = std::make_shared<Snapshot>();
  snapshot->version = view->version();
  snapshot->gallery = view;
  // Declared before the lock, like the parameters, so that the old ones die after it.
  std::shared_ptr<const Snapshot> replaced;
  absl::MutexLock lock(&mutex_);
  snapshot->encoder = encoder != nullptr ? encoder : encoder_;
  if (encoder != nullptr) encoder_.swap(encoder);
  view_.swap(view);
  // Under the lock, so that the slot never falls behind view().
  replaced = slot_->Set(std::move(snapshot));
}

void ServingView::CountAdded(const GalleryItem& item) { Count(item, /*added=*/true); }

void ServingView::CountRemoved(const GalleryItem& item) { Count(item, /*added=*/false); }

void ServingView::Count(const GalleryItem& item, bool added) {
  absl::MutexLock lock(&mutex_);
  uint64_t& items = item.modality == v1::MODALITY_SKETCH ? totals_.sketches : totals_.photos;
  items = added ? items + 1 : items - 1;
  totals_.bytes = added ? totals_.bytes + item.bytes : totals_.bytes - item.bytes;
}

bool ServingView::AwaitCompactable(int64_t min_pending) const {
  absl::MutexLock lock(&mutex_);
  const auto ready = [this, min_pending]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return closed_ ||
           (view_ != nullptr && view_->needs_compaction() && view_->pending() > min_pending);
  };
  mutex_.Await(absl::Condition(&ready));
  return !closed_;
}

void ServingView::Close() {
  absl::MutexLock lock(&mutex_);
  closed_ = true;
}

bool ServingView::closed() const {
  absl::MutexLock lock(&mutex_);
  return closed_;
}

}  // namespace s2p
