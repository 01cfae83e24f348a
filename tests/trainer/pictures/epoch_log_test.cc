#include "trainer/pictures/epoch_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <vector>

#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"
#include "trainer/pictures/learning_curve.h"

namespace s2p::test {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::Le;

// Some forty lines.
constexpr int64_t kMostBytes = 4000;

class EpochLogTest : public testing::Test {
 protected:
  EpochLogTest() { Open(/*resumes=*/false); }
  void Open(bool resumes, int64_t most_bytes = kMostBytes) {
    log_ = std::make_unique<EpochLog>(dir_.path(), resumes, most_bytes);
  }
  void Write(int first, int last) {
    for (int epoch = first; epoch <= last; ++epoch) {
      v1::TrainingProgress progress;
      progress.set_ihda_step(2);
      progress.set_epoch(static_cast<uint32_t>(epoch));
      log_->Write(progress);
      sizes_.push_back(Size());
    }
  }
  int64_t Size() const { return static_cast<int64_t>(std::filesystem::file_size(path_)); }
  std::vector<int> Epochs() const {
    const auto points = ReadEpochPoints(path_);
    EXPECT_THAT(points, IsOk());
    std::vector<int> epochs;
    for (const EpochPoint& point : *points) epochs.push_back(point.epoch);
    return epochs;
  }

  TempDir dir_;
  const std::string path_ = dir_.File("metrics.jsonl");
  std::unique_ptr<EpochLog> log_;
  std::vector<int64_t> sizes_;
};

TEST_F(EpochLogTest, RunThatResumesContinuesTheLogAndAnotherDiscardsIt) {
  Write(1, 2);
  Open(/*resumes=*/true);
  Write(3, 3);
  EXPECT_THAT(Epochs(), ElementsAre(1, 2, 3));
  Open(/*resumes=*/false);
  Write(1, 1);
  EXPECT_THAT(Epochs(), ElementsAre(1));
}

TEST_F(EpochLogTest, ManyEpochsStayBelowTheLimitAndNoPartOfTheRunIsLost) {
  Write(1, 1000);
  EXPECT_THAT(sizes_, Each(Le(kMostBytes)));
  const std::vector<int> epochs = Epochs();
  ASSERT_GT(epochs.size(), 6u);
  EXPECT_EQ(epochs.back(), 1000);
  EXPECT_EQ(epochs.front(), 1);
  for (size_t i = 1; i < epochs.size(); ++i) {
    EXPECT_LE(epochs[i] - epochs[i - 1], 128) << "after epoch " << epochs[i - 1];
  }
  EXPECT_TRUE(std::is_sorted(epochs.begin(), epochs.end()));
}

TEST_F(EpochLogTest, LongLogOfAnOlderProgramIsThinnedAtTheNextEpoch) {
  Open(/*resumes=*/false, int64_t{1} << 30);
  Write(1, 400);
  ASSERT_GT(Size(), 8 * kMostBytes);
  Open(/*resumes=*/true);
  Write(401, 401);
  EXPECT_LE(Size(), kMostBytes);
  EXPECT_EQ(Epochs().back(), 401);
}

TEST_F(EpochLogTest, LogThatCannotBeThinnedGrowsUntilItCan) {
  // A folder in place of the temporary file simulates a failing disk.
  std::filesystem::create_directories(path_ + ".tmp/x");
  Write(1, 100);
  EXPECT_EQ(Epochs().size(), 100u);
  std::filesystem::remove_all(path_ + ".tmp");
  Write(101, 101);
  EXPECT_LE(Size(), kMostBytes);
}

}  // namespace
}  // namespace s2p::test
