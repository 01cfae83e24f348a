// Takes away what a decoder does not need, before it sees the first byte of an image.
#ifndef S2P_SERVER_DECODER_SANDBOX_H_
#define S2P_SERVER_DECODER_SANDBOX_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace s2p {

struct SandboxLimits {
  // Address space beyond what the process has already.
  int64_t memory_bytes = 0;
  // The limit for the whole process.
  absl::Duration cpu_time;
};

// From now on this process can compute, take memory up to the limit, and use the descriptors that
// it has. Any other system call ends it: it cannot open a file or a socket, start a process or a
// thread, or look at another process. It dies with the thread that started it, writes no core, and
// neither it nor its user's other processes can undo this. FailedPrecondition, naming the step, if
// the system refuses one.
//
// Sanitizers need system calls and address space of their own: with them, there is neither the
// filter nor the limit of memory. Call it in a process with one thread.
absl::Status Confine(const SandboxLimits& limits);

}  // namespace s2p

#endif  // S2P_SERVER_DECODER_SANDBOX_H_
