// The fate of freed memory: kept by malloc, or returned to the system.
#ifndef S2P_DAEMON_FREED_MEMORY_H_
#define S2P_DAEMON_FREED_MEMORY_H_

namespace s2p {

// Makes malloc keep freed blocks of any size for the next allocation. A training step's activations
// are tens of megabytes each: by default glibc maps and unmaps such blocks every time, and the
// kernel fills them with zeros page by page. Affects the whole process; call it first in main.
void KeepFreedMemory();

// Returns to the system what malloc has kept. For the end of a large piece of work.
void ReturnFreedMemory();

}  // namespace s2p

#endif  // S2P_DAEMON_FREED_MEMORY_H_
