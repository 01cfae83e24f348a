// How many event streams are open: each holds a thread.
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

  // A place, held until the last copy of it dies; outlived by this object. Unavailable if there is
  // none: the page tries again.
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
