#include "daemon/freed_memory.h"

#include <malloc.h>

namespace s2p {

void KeepFreedMemory() {
  constexpr int kNever = -1;
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, kNever);
}

void ReturnFreedMemory() { malloc_trim(0); }

}  // namespace s2p
