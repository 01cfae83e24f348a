// A loop on several threads, and work that must not throw because it is done on one of its own.
#ifndef S2P_TRAINER_DATA_PARALLEL_FOR_H_
#define S2P_TRAINER_DATA_PARALLEL_FOR_H_

#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"

namespace s2p {

// Calls `body` with 0 … n - 1, each once, on up to `threads` threads (0: one per core; 1: this
// one) and returns when all have ended. Starts them in order; after a failure starts no more, and
// returns the failure with the lowest index, which is the same for every thread count. An exception
// is a failure, as CatchExceptions says. `stop` is asked before each call: once it is true no more
// are started, and the result is Cancelled. `progress` is called with (done, n). Both are called
// from one thread at a time.
absl::Status ParallelFor(int64_t n, int threads, const std::function<absl::Status(int64_t)>& body,
                         const std::function<void(int64_t, int64_t)>& progress = {},
                         const std::function<bool()>& stop = {});

// Calls `work` and returns its status; FailedPrecondition if it runs out of memory
// (ResourceExhausted means a full disk in this program), Internal for any other exception.
absl::Status CatchExceptions(absl::FunctionRef<absl::Status()> work);

// Appends `count` threads that call `work`, or as many of them as the system allows.
void StartThreads(int count, const std::function<void()>& work, std::vector<std::thread>& threads);

}  // namespace s2p

#endif  // S2P_TRAINER_DATA_PARALLEL_FOR_H_
