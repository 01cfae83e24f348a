// How the gallery's index stays small and whole: DurableGallery::Compact.
#include <utility>

#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "daemon/thread_priority.h"
#include "server/gallery/durable_gallery.h"

namespace s2p {
namespace {

// So many written items are caught up with while writes wait.
constexpr size_t kLastItems = 256;

}  // namespace

void DurableGallery::CompactWhenNeeded() {
  LowerThreadPriority();
  for (;;) {
    {
      absl::MutexLock lock(&state_mutex_);
      const auto needed = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(state_mutex_) {
        return stopping_ ||
               (view_ != nullptr && view_->needs_compaction() && view_->pending() > min_pending_);
      };
      state_mutex_.Await(absl::Condition(&needed));
      if (stopping_) return;
    }
    const absl::Time begin = absl::Now();
    const absl::Status status = Compact();
    if (stopping_) return;
    // Another version serves by now, from a base that is new.
    if (absl::IsAborted(status)) continue;
    {
      absl::MutexLock lock(&state_mutex_);
      // What failed once may fail again: not before there is twice as much to gain.
      min_pending_ = status.ok() ? 0 : view_->pending() * 2;
    }
    if (options_.on_compaction) options_.on_compaction(status, absl::Now() - begin);
  }
}

absl::Status DurableGallery::Compact() {
  std::shared_ptr<const IndexedGalleryView> begin;
  Recording recording(this);
  {
    absl::MutexLock lock(&write_mutex_);
    begin = view();
    recording.Begin();
  }
  auto compacted = begin->Compacted(*index_builder_);
  if (!compacted.ok()) return compacted.status();
  for (size_t most = kLastItems;; most *= 2) {
    std::shared_ptr<const IndexedGalleryView> current;
    std::shared_ptr<const Snapshot> retired;
    std::vector<std::string> ids;
    {
      absl::MutexLock lock(&write_mutex_);
      current = view();
      if (current->base() != begin->base()) return absl::AbortedError("another version serves");
      ids = recording.Take();
      if (ids.size() <= most) {
        S2P_ASSIGN_OR_RETURN(auto last, (*compacted)->CaughtUpWith(*current, ids));
        Publish(std::move(last), &retired);
        return absl::OkStatus();
      }
    }
    compacted = (*compacted)->CaughtUpWith(*current, ids);
    if (!compacted.ok()) return compacted.status();
  }
}

}  // namespace s2p
