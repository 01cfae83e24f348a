#include "server/decoder/sandbox.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>
#include <functional>

#include "tests/server/decoder/decoder_fixture.h"

namespace s2p::test {
namespace {

using testing::ExitedWithCode;
using testing::KilledBySignal;

// Confines this process, calls `act`, and exits with 0 if it returns true.
[[noreturn]] void DoConfined(const std::function<bool()>& act) {
  SandboxLimits limits;
  limits.memory_bytes = 64 << 20;
  limits.cpu_time = absl::Seconds(10);
  if (!Confine(limits).ok()) _exit(99);
  _exit(act() ? 0 : 1);
}

class SandboxTest : public testing::Test {
 protected:
  void SetUp() override {
    if (kIsSanitized) GTEST_SKIP() << "sanitizers run without the filter";
  }
  static void ExpectKilled(const std::function<bool()>& act) {
    EXPECT_EXIT(DoConfined(act), KilledBySignal(SIGSYS), "");
  }
  static void ExpectAllowed(const std::function<bool()>& act) {
    EXPECT_EXIT(DoConfined(act), ExitedWithCode(0), "");
  }
};

TEST_F(SandboxTest, ComputingAndMemoryAreAllowed) {
  ExpectAllowed([] {
    void* memory = std::malloc(32 << 20);
    std::free(memory);
    return memory != nullptr;
  });
}

TEST_F(SandboxTest, MemoryIsLimited) {
  ExpectAllowed([] {
    return mmap(nullptr, size_t{65} << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
           MAP_FAILED;
  });
}

TEST_F(SandboxTest, FilesCannotBeOpened) {
  ExpectKilled([] { return open("/dev/null", O_RDONLY) >= 0; });
}

TEST_F(SandboxTest, SocketsCannotBeMade) {
  ExpectKilled([] { return socket(AF_INET, SOCK_STREAM, 0) >= 0; });
}

TEST_F(SandboxTest, ProcessesCannotBeStarted) {
  ExpectKilled([] { return fork() >= 0; });
}

TEST_F(SandboxTest, ProgramsCannotBeRun) {
  ExpectKilled([] {
    char* const nothing[] = {nullptr};
    return execve("/bin/true", nothing, nothing) == 0;
  });
}

TEST_F(SandboxTest, MemoryCannotBecomeExecutable) {
  ExpectKilled([] {
    return mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
           MAP_FAILED;
  });
}

TEST_F(SandboxTest, LimitsCannotBeRaised) {
  ExpectKilled([] {
    const rlimit more = {RLIM_INFINITY, RLIM_INFINITY};
    return setrlimit(RLIMIT_AS, &more) == 0;
  });
}

TEST_F(SandboxTest, OtherProcessesCannotBeKilled) {
  ExpectKilled([] { return kill(getppid(), 0) == 0; });
  ExpectKilled([] { return syscall(SYS_tgkill, getppid(), getppid(), 0) == 0; });
  ExpectKilled([] { return syscall(SYS_tkill, getppid(), 0) == 0; });
}

TEST_F(SandboxTest, ProcessCanAbort) {
  EXPECT_EXIT(DoConfined([]() -> bool { std::abort(); }), KilledBySignal(SIGABRT), "");
}

}  // namespace
}  // namespace s2p::test
