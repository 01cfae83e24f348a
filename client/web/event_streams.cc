#include "client/web/event_streams.h"

#include "absl/strings/str_cat.h"

namespace s2p {

absl::StatusOr<std::shared_ptr<void>> EventStreams::Open() {
  absl::MutexLock lock(&mutex_);
  if (open_ >= max_open_) {
    return absl::UnavailableError(
        absl::StrCat("too many event streams are open (", max_open_, ")"));
  }
  Count(1);
  return std::shared_ptr<void>(this, [](void* streams) {
    auto* const self = static_cast<EventStreams*>(streams);
    absl::MutexLock locked(&self->mutex_);
    self->Count(-1);
  });
}

void EventStreams::Count(int change) {
  open_ += change;
  metrics_->SetStreams(open_);
}

}  // namespace s2p
