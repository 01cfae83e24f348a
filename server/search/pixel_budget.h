// Limits the memory of decoded images.
#ifndef S2P_SERVER_SEARCH_PIXEL_BUDGET_H_
#define S2P_SERVER_SEARCH_PIXEL_BUDGET_H_

#include <cstdint>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace s2p {

// The pixels that decoded images of all requests together may have at a time. Thread-safe.
class PixelBudget {
 public:
  // Part of the budget, returned when the last copy of the pointer dies.
  using Share = std::shared_ptr<void>;

  explicit PixelBudget(int64_t pixels) : total_(pixels), left_(pixels) {}

  // Blocks until `pixels` are free. A request for more than the whole budget takes all of it.
  Share Take(int64_t pixels);

 private:
  const int64_t total_;
  absl::Mutex mutex_;
  int64_t left_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace s2p

#endif  // S2P_SERVER_SEARCH_PIXEL_BUDGET_H_
