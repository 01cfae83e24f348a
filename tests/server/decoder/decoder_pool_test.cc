#include "server/decoder/decoder_pool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "tests/server/decoder/decoder_fixture.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace s2p::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class DecoderPoolTest : public testing::Test {
 protected:
  void Create(const DecoderProcessOptions& process, int processes = 1) {
    DecoderPoolOptions options;
    options.process = process;
    options.processes = processes;
    options.on_start = [this](const absl::Status& started) {
      if (started.ok()) ++starts_;
    };
    options.on_end = [this](DecoderEnd end) {
      absl::MutexLock lock(&mutex_);
      ends_.push_back(end);
    };
    auto pool = DecoderPool::Create(options);
    ASSERT_THAT(pool, IsOk());
    pool_ = *std::move(pool);
  }
  absl::StatusOr<Image> Decode(const std::string& bytes, const CallLife& life = {}) {
    return pool_->Decode(bytes, ImageLimits(), life);
  }
  std::vector<DecoderEnd> ends() {
    absl::MutexLock lock(&mutex_);
    return ends_;
  }

  std::unique_ptr<DecoderPool> pool_;
  std::atomic<int> starts_{0};
  absl::Mutex mutex_;
  std::vector<DecoderEnd> ends_;
};

TEST_F(DecoderPoolTest, OneProcessDecodesOneImageAfterAnother) {
  Create(RealDecoder(), 4);
  for (int side = 1; side < 20; ++side) {
    const Image expected = Pattern(side, 21 - side);
    const auto image = Decode(*EncodePng(expected));
    ASSERT_THAT(image, IsOk());
    EXPECT_TRUE(image->pixels() == expected.pixels());
  }
  EXPECT_EQ(starts_, 1);
  EXPECT_THAT(ends(), IsEmpty());
}

TEST_F(DecoderPoolTest, ImagesOfSeveralThreadsAreNotMixedUp) {
  Create(RealDecoder(), 3);
  std::vector<std::thread> threads;
  for (int i = 0; i < 6; ++i) {
    threads.emplace_back([this, i] {
      const Image expected = Pattern(20 + i, 30 - i);
      const std::string png = *EncodePng(expected);
      for (int round = 0; round < 20; ++round) {
        const auto image = Decode(png);
        ASSERT_THAT(image, IsOk());
        EXPECT_TRUE(image->pixels() == expected.pixels());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_F(DecoderPoolTest, CrashedProcessIsReplaced) {
  Create(FakeDecoder());
  EXPECT_THAT(Decode(Order("crash")), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(pool_->idle(), IsEmpty());
  EXPECT_THAT(Decode(Order("")), IsOk());
  EXPECT_EQ(starts_, 2);
  EXPECT_THAT(ends(), ElementsAre(DecoderEnd::kCrashed));
}

TEST_F(DecoderPoolTest, ProcessThatWasKilledWhileIdleCostsNoImage) {
  Create(RealDecoder());
  const pid_t pid = pool_->idle().front();
  ASSERT_EQ(kill(pid, SIGKILL), 0);
  // It is a zombie once it has closed its socket.
  const auto is_dead = [pid] {
    std::ifstream file(absl::StrCat("/proc/", pid, "/stat"));
    std::string number, name, state;
    file >> number >> name >> state;
    return state == "Z";
  };
  while (!is_dead()) std::this_thread::yield();
  EXPECT_THAT(Decode(*EncodePng(Pattern(3, 2))), IsOk());
  EXPECT_THAT(ends(), ElementsAre(DecoderEnd::kIdle));
}

TEST_F(DecoderPoolTest, ProcessThatWasStoppedWhileIdleCostsNoImage) {
  Create(RealDecoder());
  ASSERT_EQ(kill(pool_->idle().front(), SIGSTOP), 0);
  EXPECT_THAT(Decode(*EncodePng(Pattern(3, 2))), IsOk());
  EXPECT_THAT(ends(), ElementsAre(DecoderEnd::kStopped));
}

TEST_F(DecoderPoolTest, ImageWhoseProcessIsStoppedIsDecodedByAnother) {
  Create(FakeDecoder());
  const pid_t pid = pool_->idle().front();
  CallLife life;
  // Asked while the first process hangs, and again before the second one gets the image.
  life.cancelled = [&, asked = 0]() mutable {
    if (++asked == 2) kill(pid, SIGSTOP);
    return starts_ == 2;
  };
  EXPECT_THAT(Decode(Order("hang"), life), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_EQ(starts_, 2);
  EXPECT_THAT(ends(), ElementsAre(DecoderEnd::kStopped, DecoderEnd::kCallEnded));
}

TEST_F(DecoderPoolTest, ProcessThatHasUsedItsTimeIsReplaced) {
  DecoderProcessOptions process = RealDecoder();
  process.cpu_time = absl::ZeroDuration();
  Create(process);
  const std::string png = *EncodePng(Pattern(3, 2));
  for (int i = 0; i < 3; ++i) EXPECT_THAT(Decode(png), IsOk());
  EXPECT_EQ(starts_, 3);
  EXPECT_THAT(ends(), ElementsAre(DecoderEnd::kIdle, DecoderEnd::kIdle, DecoderEnd::kIdle));
}

TEST_F(DecoderPoolTest, CallWaitsForAFreeProcessUntilItsDeadline) {
  Create(FakeDecoder());
  absl::Notification is_busy, end;
  std::thread other([&] {
    CallLife life;
    life.cancelled = [&] {
      // Asked first before the process is taken, then while it decodes.
      if (pool_->idle().empty() && !is_busy.HasBeenNotified()) is_busy.Notify();
      return end.HasBeenNotified();
    };
    EXPECT_THAT(Decode(Order("hang"), life), StatusIs(absl::StatusCode::kCancelled));
  });
  is_busy.WaitForNotification();
  CallLife life;
  life.deadline = SteadyTime::InfinitePast();
  EXPECT_THAT(Decode(Order(""), life),
              StatusIs(absl::StatusCode::kDeadlineExceeded, HasSubstr("a decoder was free")));
  end.Notify();
  other.join();
  EXPECT_THAT(Decode(Order("")), IsOk());
}

TEST_F(DecoderPoolTest, ImageThatIsRefusedByItsHeaderCostsNoProcess) {
  Create(FakeDecoder());
  EXPECT_THAT(Decode("GIF89a and so on"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("GIF")));
  EXPECT_THAT(pool_->idle(), SizeIs(1));
}

TEST_F(DecoderPoolTest, ProcessesEndWithThePool) {
  Create(RealDecoder());
  const pid_t pid = pool_->idle().front();
  pool_.reset();
  EXPECT_FALSE(Exists(pid));
}

class DecoderOfTest : public testing::Test {
 protected:
  // Makes the file that an installation in the folder of this test would have at `path`.
  std::string Touch(const std::string& path) const {
    const auto file = std::filesystem::path(dir_.File(path)).lexically_normal();
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << "x";
    return file.string();
  }
  std::string Found() const { return DecoderOf(dir_.File("usr/bin/s2p-server")); }

  TempDir dir_;
};

TEST_F(DecoderOfTest, InstalledOneIsFound) {
  const std::string installed = Touch("usr/bin/" S2P_INSTALLED_DECODER);
  EXPECT_EQ(Found(), installed);
}

TEST_F(DecoderOfTest, OneNextToTheProgramWins) {
  Touch("usr/bin/" S2P_INSTALLED_DECODER);
  const std::string next_to = Touch("usr/bin/s2p-decoder");
  EXPECT_EQ(Found(), next_to);
}

TEST_F(DecoderOfTest, WithoutAnyThePlaceNextToTheProgramIsNamed) {
  EXPECT_EQ(Found(), dir_.File("usr/bin/s2p-decoder"));
}

TEST(DecoderPoolCreateTest, ProgramThatDoesNotStartIsNamed) {
  DecoderPoolOptions options;
  options.process.program = "/nowhere/s2p-decoder";
  EXPECT_THAT(DecoderPool::Create(options),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("/nowhere/s2p-decoder")));
}

TEST(DecoderPoolCreateTest, PoolWithoutProcessesIsRefused) {
  DecoderPoolOptions options;
  options.processes = 0;
  EXPECT_THAT(DecoderPool::Create(options),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("processes")));
}

}  // namespace
}  // namespace s2p::test
