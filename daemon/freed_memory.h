// What malloc does with memory that the program frees.
#ifndef S2P_DAEMON_FREED_MEMORY_H_
#define S2P_DAEMON_FREED_MEMORY_H_

namespace s2p {

// malloc keeps what is freed, of whatever size, for the next who asks. A training step's
// activations are tens of megabytes each: glibc maps and unmaps such blocks every time, whatever
// its thresholds say, and the kernel fills them with zeros page by page. Of the whole process; call
// it first in main.
void KeepFreedMemory();

// Gives back to the system what malloc has kept: after a large piece of work.
void ReturnFreedMemory();

}  // namespace s2p

#endif  // S2P_DAEMON_FREED_MEMORY_H_
