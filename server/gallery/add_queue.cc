#include "server/gallery/add_queue.h"

#include "base/check.h"

namespace s2p {
namespace {

// A few batches of the encoder.
constexpr size_t kMostWrittenTogether = 128;

}  // namespace

std::vector<absl::StatusOr<AddResult>> AddQueue::Add(absl::Span<const NewItem> items) {
  Waiting call{items, {}, false};
  {
    absl::MutexLock lock(&mutex_);
    waiting_.push_back(&call);
  }
  absl::MutexLock turn(&turn_);
  // An earlier turn may have written this call too; if not, this turn writes for all that wait.
  while (!call.done) WriteTogether(TakeWaiting());
  return std::move(call.results);
}

size_t AddQueue::waiting() const {
  absl::MutexLock lock(&mutex_);
  return waiting_.size();
}

std::vector<AddQueue::Waiting*> AddQueue::TakeWaiting() {
  std::vector<Waiting*> taken;
  size_t items = 0;
  absl::MutexLock lock(&mutex_);
  while (!waiting_.empty() && items < kMostWrittenTogether) {
    items += waiting_.front()->items.size();
    taken.push_back(waiting_.front());
    waiting_.pop_front();
  }
  return taken;
}

void AddQueue::WriteTogether(absl::Span<Waiting* const> calls) {
  std::vector<const NewItem*> items;
  for (const Waiting* call : calls) {
    for (const NewItem& item : call->items) items.push_back(&item);
  }
  std::vector<absl::StatusOr<AddResult>> results = write_(items);
  S2P_CHECK(results.size() == items.size());
  auto result = results.begin();
  for (Waiting* call : calls) {
    for (size_t i = 0; i < call->items.size(); ++i) call->results.push_back(*std::move(result++));
    call->done = true;
  }
}

}  // namespace s2p
