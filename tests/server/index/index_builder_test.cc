#include "server/index/index_builder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/server/random_units.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace s2p {
namespace {

using test::ClusteredUnits;
using test::IsOk;
using test::StatusIs;
using testing::HasSubstr;
using testing::SizeIs;

class IndexBuilderTest : public testing::Test {
 protected:
  IndexBuilderTest() {
    options_.kind = "IVF16,Flat";
    options_.directory = dir_.File("index");
    options_.interrupted = [this] { return forbid_training_; };
    options_.on_problem = [this](const absl::Status& status) { errors_.push_back(status); };
  }
  absl::StatusOr<std::unique_ptr<const Index>> Build(int rows, const Index* previous = nullptr,
                                                     int64_t version = 1) {
    const auto builder = IndexBuilder::Create(options_);
    EXPECT_THAT(builder, IsOk());
    return (*builder)->Build(version, ClusteredUnits(rows, 16, 10, 5), previous);
  }

  test::TempDir dir_;
  IndexBuilderOptions options_;
  bool forbid_training_ = false;
  std::vector<absl::Status> errors_;
};

TEST_F(IndexBuilderTest, FlatIsExact) {
  options_.kind = "Flat";
  const auto index = Build(100);
  EXPECT_EQ((*index)->kind(), "Flat");
  EXPECT_TRUE((*index)->exact());
}

TEST_F(IndexBuilderTest, FewerVectorsThanListsAreSearchedExactly) {
  EXPECT_EQ((*Build(15))->kind(), "Flat");
  EXPECT_EQ((*Build(16))->kind(), "IVF16,Flat");
}

TEST_F(IndexBuilderTest, AutoIsExactForAFewAndApproximateForMany) {
  options_.kind = "auto";
  EXPECT_EQ((*Build(99'999))->kind(), "Flat");
  const auto index = Build(100'000);
  EXPECT_EQ((*index)->kind(), "IVF1024,Flat");
  EXPECT_GE((*index)->recall(), 0.95);
}

TEST_F(IndexBuilderTest, WhatWasTrainedIsNotTrainedAgain) {
  ASSERT_THAT(Build(500), IsOk());
  forbid_training_ = true;
  const auto index = Build(600);
  ASSERT_THAT(index, IsOk());
  EXPECT_EQ((*index)->kind(), "IVF16,Flat");
  EXPECT_EQ((*index)->size(), 600);
}

TEST_F(IndexBuilderTest, FileThatTheDiskHasNoRoomForIsLeftOutAndTheIndexSearches) {
  uint64_t bytes = 0;
  options_.check_room = [&bytes](uint64_t asked) {
    bytes = asked;
    return absl::ResourceExhaustedError("no room");
  };
  const auto index = Build(500);
  ASSERT_THAT(index, IsOk());
  EXPECT_EQ((*index)->kind(), "IVF16,Flat");
  EXPECT_GT(bytes, 0u);
  ASSERT_THAT(errors_, SizeIs(1));
  EXPECT_THAT(errors_[0], StatusIs(absl::StatusCode::kResourceExhausted, "no room"));
  EXPECT_FALSE(std::filesystem::exists(dir_.File("index")));
}

TEST_F(IndexBuilderTest, CompactionUsesTheTrainingOfTheIndexBefore) {
  options_.directory.clear();
  const auto index = Build(500);
  forbid_training_ = true;
  EXPECT_THAT(Build(600, index->get()), IsOk());
  EXPECT_THAT(Build(600), StatusIs(absl::StatusCode::kCancelled));
}

TEST_F(IndexBuilderTest, GalleryThatHasGrownFourfoldIsTrainedAgain) {
  ASSERT_THAT(Build(500), IsOk());
  forbid_training_ = true;
  EXPECT_THAT(Build(2000), IsOk());
  EXPECT_THAT(Build(2001), StatusIs(absl::StatusCode::kCancelled));
}

TEST_F(IndexBuilderTest, AnotherKindOrRecallOrVersionIsTrainedAgain) {
  ASSERT_THAT(Build(500), IsOk());
  forbid_training_ = true;
  EXPECT_THAT(Build(500, nullptr, 2), StatusIs(absl::StatusCode::kCancelled));
  options_.recall = 0.5;
  EXPECT_THAT(Build(500), StatusIs(absl::StatusCode::kCancelled));
  options_.recall = 0.95;
  options_.kind = "IVF8,Flat";
  EXPECT_THAT(Build(500), StatusIs(absl::StatusCode::kCancelled));
}

TEST_F(IndexBuilderTest, DamagedFileIsToldAndTrainedAgain) {
  ASSERT_THAT(Build(500), IsOk());
  std::filesystem::resize_file(dir_.File("index/1.index"), 100);
  const auto index = Build(500);
  ASSERT_THAT(index, IsOk());
  EXPECT_EQ((*index)->kind(), "IVF16,Flat");
  ASSERT_THAT(errors_, SizeIs(1));
  EXPECT_THAT(errors_[0].message(), HasSubstr("1.index"));
  // The file was rewritten.
  forbid_training_ = true;
  EXPECT_THAT(Build(500), IsOk());
}

TEST_F(IndexBuilderTest, FolderThatCannotBeWrittenIsToldAndTheIndexBuilt) {
  std::ofstream(dir_.File("index")) << "in the way";
  EXPECT_THAT(Build(500), IsOk());
  ASSERT_FALSE(errors_.empty());
  EXPECT_THAT(errors_.back().message(), HasSubstr(dir_.File("index")));
}

TEST_F(IndexBuilderTest, KindThatDoesNotSuitTheGalleryIsToldAndSearchedExactly) {
  // Eight bits need 256 vectors; 5 does not divide the 16 values of one.
  for (const char* kind : {"IVF8,PQ4x8", "IVF8,PQ5"}) {
    options_.kind = kind;
    errors_.clear();
    const auto index = Build(100);
    ASSERT_THAT(index, IsOk());
    EXPECT_EQ((*index)->kind(), "Flat");
    EXPECT_EQ((*index)->size(), 100);
    ASSERT_FALSE(errors_.empty());
    EXPECT_THAT(errors_[0].message(), HasSubstr(kind));
  }
}

TEST_F(IndexBuilderTest, BadOptionsAreNamed) {
  options_.kind = "HNSW32";
  EXPECT_THAT(IndexBuilder::Create(options_).status().message(), HasSubstr("'HNSW32'"));
  options_.kind = "IVF64,nonsense";
  EXPECT_THAT(IndexBuilder::Create(options_).status().message(), HasSubstr("'IVF64,nonsense'"));
  options_.kind = "auto";
  options_.recall = 1.5;
  EXPECT_THAT(IndexBuilder::Create(options_).status().message(), HasSubstr("1.5"));
}

}  // namespace
}  // namespace s2p
