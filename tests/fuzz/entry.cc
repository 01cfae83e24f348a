// libFuzzer's entry to one of the functions of targets.h, which S2P_FUZZ_TARGET names.
#include <cstddef>
#include <cstdint>

#include "tests/fuzz/targets.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  s2p::fuzz::S2P_FUZZ_TARGET({reinterpret_cast<const char*>(bytes), size});
  return 0;
}
