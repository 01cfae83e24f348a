// A check for our own bugs, never for input, files or the network.
#ifndef S2P_BASE_CHECK_H_
#define S2P_BASE_CHECK_H_

#include <cstdio>
#include <cstdlib>

// Aborts the process, naming the condition, if it does not hold. Always on.
#define S2P_CHECK(condition)                                                             \
  do {                                                                                   \
    if (!(condition)) {                                                                  \
      std::fprintf(stderr, "%s:%d: check failed: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                      \
    }                                                                                    \
  } while (false)

#endif  // S2P_BASE_CHECK_H_
