// A loop on several threads.
#ifndef S2P_TRAINER_DATA_PARALLEL_FOR_H_
#define S2P_TRAINER_DATA_PARALLEL_FOR_H_

#include <cstdint>
#include <functional>

#include "absl/status/status.h"

namespace s2p {

// Calls `body` with 0 … n - 1, each once, on up to `threads` threads (0: one per core; 1: this
// one) and returns when all have ended. Starts them in order; after a failure starts no more, and
// returns the failure with the lowest index, which is the same for every thread count. `progress`
// is called with (done, n) from one thread at a time.
absl::Status ParallelFor(int64_t n, int threads, const std::function<absl::Status(int64_t)>& body,
                         const std::function<void(int64_t, int64_t)>& progress = {});

}  // namespace s2p

#endif  // S2P_TRAINER_DATA_PARALLEL_FOR_H_
