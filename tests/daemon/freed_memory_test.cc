#include "daemon/freed_memory.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <memory>

namespace s2p {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kOwnMalloc = true;
#else
constexpr bool kOwnMalloc = false;
#endif

// Larger than the maximum of mallopt's M_MMAP_THRESHOLD.
constexpr size_t kBlock = size_t{64} << 20;
constexpr size_t kPage = 4096;

// Page faults of allocating a block, writing it and freeing it.
long FaultsOfOneRound() {
  rusage before{}, after{};
  getrusage(RUSAGE_SELF, &before);
  {
    const std::unique_ptr<char[]> block(new char[kBlock]);
    // Volatile, since the compiler would omit writes that nobody reads.
    volatile char* bytes = block.get();
    for (size_t i = 0; i < kBlock; i += kPage) bytes[i] = 1;
  }
  getrusage(RUSAGE_SELF, &after);
  return after.ru_minflt - before.ru_minflt;
}

long ResidentBytes() {
  std::ifstream statm("/proc/self/statm");
  long size = 0, resident = 0;
  statm >> size >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

[[noreturn]] void Expect(bool holds, const char* what) {
  if (!holds) std::cerr << what;
  std::_Exit(holds ? 0 : 1);
}

// Each test runs in its own process, because the setting affects the whole process.
class FreedMemoryTest : public testing::Test {
 protected:
  void SetUp() override {
    if (kOwnMalloc) GTEST_SKIP() << "the sanitizer has its own malloc";
    GTEST_FLAG_SET(death_test_style, "threadsafe");
  }
};

using FreedMemoryDeathTest = FreedMemoryTest;

TEST_F(FreedMemoryDeathTest, ALargeBlockIsUsedAgain) {
  EXPECT_EXIT(
      {
        KeepFreedMemory();
        FaultsOfOneRound();
        Expect(FaultsOfOneRound() < 100, "the second block came from the system");
      },
      testing::ExitedWithCode(0), "");
}

TEST_F(FreedMemoryDeathTest, WithoutItTheSystemGivesItEachTime) {
  EXPECT_EXIT(
      {
        FaultsOfOneRound();
        Expect(FaultsOfOneRound() > 20, "the second block was there already");
      },
      testing::ExitedWithCode(0), "");
}

TEST_F(FreedMemoryDeathTest, WhatIsKeptCanBeReturned) {
  EXPECT_EXIT(
      {
        KeepFreedMemory();
        FaultsOfOneRound();
        const long kept = ResidentBytes();
        ReturnFreedMemory();
        Expect(kept - ResidentBytes() > static_cast<long>(kBlock / 2), "it is still resident");
      },
      testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace s2p
