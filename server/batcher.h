// Between requests and the encoder: many small requests become few full batches.
#ifndef S2P_SERVER_BATCHER_H_
#define S2P_SERVER_BATCHER_H_

#include <deque>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "model/encoder.h"
#include "server/snapshot.h"

namespace s2p {

struct BatcherOptions {
  // Images a batch, in [1, 256].
  int max_batch = 32;
  // Longest wait for a batch to fill once something is queued. 0: none.
  absl::Duration max_delay = absl::Milliseconds(2);
  // Images waiting, in [1, 100000]; beyond, requests are refused.
  int max_queue = 256;
};

// What a request gets back: rows of one batch, and the snapshot that the whole batch used.
struct BatchResult {
  std::shared_ptr<const Snapshot> snapshot;
  Encoding encoding;
  absl::Duration queue_time;
};

}  // namespace s2p

#endif  // S2P_SERVER_BATCHER_H_
