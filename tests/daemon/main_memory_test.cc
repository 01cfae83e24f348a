#include "daemon/main_memory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace s2p::test {
namespace {

using testing::HasSubstr;

class MainMemoryTest : public testing::Test {
 protected:
  // A machine with 1,000 KiB, of which 600 are available.
  MainMemoryTest() {
    Write("proc/meminfo",
          "MemTotal:       1000 kB\nMemFree:        100 kB\nMemAvailable:    600 kB\n");
  }
  void Write(const std::string& path, const std::string& text) {
    std::filesystem::create_directories(std::filesystem::path(dir_.File(path)).parent_path());
    std::ofstream(dir_.File(path)) << text;
  }
  MainMemory Measure() {
    const auto memory = MeasureMainMemory(dir_.path());
    EXPECT_THAT(memory, IsOk());
    return memory.value_or(MainMemory());
  }
  void ExpectKiB(uint64_t available, uint64_t total) {
    const MainMemory memory = Measure();
    EXPECT_EQ(memory.available_bytes, available * 1024);
    EXPECT_EQ(memory.total_bytes, total * 1024);
  }

  TempDir dir_;
};

TEST_F(MainMemoryTest, MachineWithoutLimitsHasWhatTheKernelSays) { ExpectKiB(600, 1000); }

TEST_F(MainMemoryTest, GroupLeavesItsLimitLessWhatItHoldsWithoutTheFileCache) {
  Write("proc/self/cgroup", "0::/a/b\n");
  Write("sys/fs/cgroup/a/b/memory.max", "512000\n");
  Write("sys/fs/cgroup/a/b/memory.current", "307200\n");
  Write("sys/fs/cgroup/a/b/memory.stat", "anon 1\ninactive_file 102400\n");
  ExpectKiB(300, 500);
}

TEST_F(MainMemoryTest, GroupAroundItsOwnCountsToo) {
  Write("proc/self/cgroup", "0::/a/b\n");
  Write("sys/fs/cgroup/a/b/memory.max", "max\n");
  Write("sys/fs/cgroup/a/memory.max", "204800\n");
  ExpectKiB(200, 200);
}

TEST_F(MainMemoryTest, ContainerSeesItsGroupAsTheRoot) {
  Write("proc/self/cgroup", "0::/\n");
  Write("sys/fs/cgroup/memory.max", "102400\n");
  Write("sys/fs/cgroup/memory.current", "512000\n");
  ExpectKiB(0, 100);
}

TEST_F(MainMemoryTest, GroupsOfVersion1AreRead) {
  Write("proc/self/cgroup", "5:cpu,cpuacct:/x\n4:memory:/x\n");
  Write("sys/fs/cgroup/memory/x/memory.limit_in_bytes", "512000\n");
  Write("sys/fs/cgroup/memory/x/memory.usage_in_bytes", "102400\n");
  Write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  ExpectKiB(400, 500);
}

TEST_F(MainMemoryTest, KernelThatDoesNotSayIsNamed) {
  Write("proc/meminfo", "MemTotal: 1000 kB\n");
  EXPECT_THAT(MeasureMainMemory(dir_.path()),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("/proc/meminfo")));
}

TEST_F(MainMemoryTest, ThisMachineHasMemory) {
  const auto memory = MeasureMainMemory();
  ASSERT_THAT(memory, IsOk());
  EXPECT_GT(memory->available_bytes, uint64_t{1} << 20);
  EXPECT_LE(memory->available_bytes, memory->total_bytes);
}

}  // namespace
}  // namespace s2p::test
