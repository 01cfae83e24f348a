#include <utility>
#include <vector>

#include "tests/trainer/import_fixture.h"

namespace s2p::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ImportDatasetTest : public ImportTest {
 protected:
  void SetUp() override {
    WriteJpg("photo/1.jpg");
    WriteJpg("photo/2.jpg");
  }
};

TEST_F(ImportDatasetTest, FormatsAreKnown) {
  EXPECT_THAT(ImportFormats(), ElementsAre("celeba", "folder", "iiitd", "market-1501", "pku-sketch",
                                           "qmul-shoes", "ut-zap50k"));
}

TEST_F(ImportDatasetTest, UnknownFormatNamesTheKnown) {
  ExpectWrong("coco", "format \"coco\" is unknown; known are celeba, folder, iiitd");
}

TEST_F(ImportDatasetTest, SplitFileForAnotherFormatIsRefused) {
  options_.split_file = Root("split.csv");
  ExpectWrong("folder", "format folder takes no split file");
}

TEST_F(ImportDatasetTest, FolderWithContentIsLeftAsItIs) {
  Write("../out/keep.txt", "mine");
  EXPECT_EQ(Import("folder").status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Read(Out("keep.txt")), "mine");
  EXPECT_FALSE(std::filesystem::exists(Out("photo")));
}

TEST_F(ImportDatasetTest, ProgressCountsImages) {
  std::vector<std::pair<int64_t, int64_t>> seen;
  options_ = {"folder", Root(), Out(), 1, ""};
  const auto progress = [&](int64_t done, int64_t total) { seen.emplace_back(done, total); };
  ASSERT_TRUE(ImportDataset(options_, progress).ok());
  EXPECT_THAT(seen, ElementsAre(std::pair{1, 2}, std::pair{2, 2}));
}

TEST_F(ImportDatasetTest, NothingIsLeftIfCopyingFails) {
  options_ = {"folder", Root(), Out(), 1, ""};
  const auto lose_second = [&](int64_t done, int64_t) {
    if (done == 1) std::filesystem::remove(Root("photo/2.jpg"));
  };
  const absl::Status status = ImportDataset(options_, lose_second).status();
  EXPECT_THAT(std::string(status.message()), HasSubstr("photo/2.jpg: copy"));
  EXPECT_FALSE(std::filesystem::exists(Out()));
}

TEST_F(ImportDatasetTest, EmptyFolderIsEmptyAgainIfWritingFails) {
  // A name that is not UTF-8 cannot be described.
  WriteJpg("photo/\xff.jpg");
  std::filesystem::create_directories(Out());
  EXPECT_EQ(Import("folder").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(std::filesystem::is_empty(Out()));
}

}  // namespace
}  // namespace s2p::testing
