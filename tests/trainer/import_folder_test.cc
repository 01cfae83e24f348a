#include "tests/trainer/import_fixture.h"

namespace s2p::testing {
namespace {

using ::testing::ElementsAre;

using ImportFolderTest = ImportTest;

TEST_F(ImportFolderTest, IdentityIsTheNameUpToTheFirstUnderscore) {
  WriteJpg("train/photo/boot_front.jpg");
  WriteJpg("train/photo/boot_side.JPG");
  WritePng("train/sketch/boot.png");
  WritePng("test/photo/clog.png");
  const auto summary = Import("folder");
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->name, "root");
  EXPECT_EQ(summary->photos, 3);
  EXPECT_EQ(summary->sketches, 1);
  const DataSet data_set = Open();
  EXPECT_THAT(IdentitiesOf(data_set, "train"), ElementsAre("boot"));
  EXPECT_THAT(IdentitiesOf(data_set, "test"), ElementsAre("clog"));
}

TEST_F(ImportFolderTest, FolderNamesAnIdentity) {
  WriteJpg("val/photo/red_boot/1.jpg");
  WriteJpg("val/sketch/red_boot/1.jpg");
  const auto summary = Import("folder");
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->val_identities, 1);
  EXPECT_EQ(summary->train_identities, 0);
  EXPECT_THAT(IdentitiesOf(Open(), "val"), ElementsAre("red_boot"));
}

TEST_F(ImportFolderTest, WithoutSplitsAQuarterIsForTesting) {
  for (int i = 0; i < 8; ++i) {
    WriteJpg("photo/" + std::to_string(i) + ".jpg");
    WriteJpg("sketch/" + std::to_string(i) + ".jpg");
  }
  const auto summary = Import("folder");
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->train_identities, 6);
  EXPECT_EQ(summary->test_identities, 2);
}

TEST_F(ImportFolderTest, SplitIsAFunctionOfTheSeed) {
  for (int i = 0; i < 40; ++i) WriteJpg("photo/" + std::to_string(i) + ".jpg");
  std::vector<std::set<std::string>> tests;
  for (const uint64_t seed : {7, 7, 8}) {
    options_.split_seed = seed;
    ASSERT_TRUE(Import("folder").ok());
    tests.push_back(IdentitiesOf(Open(), "test"));
    std::filesystem::remove_all(Out());
  }
  EXPECT_EQ(tests[0], tests[1]);
  EXPECT_NE(tests[0], tests[2]);
}

TEST_F(ImportFolderTest, SketchWithoutPhotoIsNamed) {
  WriteJpg("photo/1.jpg");
  WriteJpg("sketch/2.jpg");
  ExpectWrong("folder", "sketch/2.jpg: identity 2 has no photo");
}

TEST_F(ImportFolderTest, IdentityInTwoSplitsIsNamed) {
  WriteJpg("train/photo/1.jpg");
  WriteJpg("test/photo/1.jpg");
  ExpectWrong("folder", "test/photo/1.jpg: identity 1 is in train and in test");
}

TEST_F(ImportFolderTest, NameWithoutIdentityIsNamed) {
  WriteJpg("photo/_1.jpg");
  ExpectWrong("folder", "photo/_1.jpg: the name has no identity before the first _");
}

TEST_F(ImportFolderTest, FolderWithoutPhotosIsNotFound) {
  WriteJpg("sketch/1.jpg");
  ExpectMissing("folder", "photo: there is no such folder");
}

TEST_F(ImportFolderTest, EmptyFolderHasNoImages) {
  std::filesystem::create_directories(Root("photo"));
  ExpectWrong("folder", "has no images");
}

}  // namespace
}  // namespace s2p::testing
