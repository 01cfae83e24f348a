// Limits the number of open event streams, since each holds a connection here and an RPC at the
// trainer.
#ifndef S2P_CLIENT_WEB_EVENT_STREAMS_H_
#define S2P_CLIENT_WEB_EVENT_STREAMS_H_

#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "client/web/metrics.h"

namespace s2p {

// Thread-safe.
class EventStreams {
 public:
  // `metrics` is borrowed.
  EventStreams(int max_open, WebMetrics* metrics) : max_open_(max_open), metrics_(metrics) {}

  // Reserves a slot until the last copy of the result is destroyed. This object must outlive it.
  // Unavailable if no slot is free; the page retries.
  absl::StatusOr<std::shared_ptr<void>> Open();

 private:
  void Count(int change) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const int max_open_;
  WebMetrics* const metrics_;
  absl::Mutex mutex_;
  int open_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace s2p

#endif  // S2P_CLIENT_WEB_EVENT_STREAMS_H_
