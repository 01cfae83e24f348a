// The number of threads that the machine runs at once.
#ifndef S2P_BASE_HARDWARE_THREADS_H_
#define S2P_BASE_HARDWARE_THREADS_H_

#include <algorithm>
#include <thread>

namespace s2p {

// At least 1, also where the system does not say.
inline int HardwareThreads() {
  return static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
}

}  // namespace s2p

#endif  // S2P_BASE_HARDWARE_THREADS_H_
