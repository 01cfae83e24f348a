#include "base/hidden_folders.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "absl/strings/cord.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace s2p::test {
namespace {

const HiddenFolders& Hidden() {
  static const auto* const hidden = new HiddenFolders({{"/srv/my photos", "the data folder"},
                                                       {"/srv/my photos/models", "the store"},
                                                       {"checkpoints", "the checkpoint store"}});
  return *hidden;
}

TEST(HiddenFoldersTest, FileIsNamedFromItsFolderOn) {
  EXPECT_EQ(Hidden().Hide("DATA_LOSS: /srv/my photos/7/a.json: damaged"),
            "DATA_LOSS: 7/a.json: damaged");
  EXPECT_EQ(Hidden().Hide("cannot open '/srv/my photos//x'"), "cannot open 'x'");
}

TEST(HiddenFoldersTest, FolderItselfIsCalledByItsName) {
  EXPECT_EQ(Hidden().Hide("/srv/my photos: is full"), "the data folder: is full");
  EXPECT_EQ(Hidden().Hide("no room in /srv/my photos"), "no room in the data folder");
  EXPECT_EQ(Hidden().Hide("/srv/my photos/: is full"), "the data folder/: is full");
}

TEST(HiddenFoldersTest, FolderInsideAnotherIsTheOneThatIsNamed) {
  EXPECT_EQ(Hidden().Hide("/srv/my photos/models: is empty"), "the store: is empty");
}

TEST(HiddenFoldersTest, EachMentionIsHidden) {
  EXPECT_EQ(Hidden().Hide("/srv/my photos/a and /srv/my photos/b"), "a and b");
}

TEST(HiddenFoldersTest, LongerNameIsAnotherFolder) {
  EXPECT_EQ(Hidden().Hide("/srv/my photos2/a"), "/srv/my photos2/a");
  EXPECT_EQ(Hidden().Hide("/old/srv/my photos/a"), "/old/srv/my photos/a");
}

TEST(HiddenFoldersTest, RelativeFolderIsNotTakenForAWord) {
  EXPECT_EQ(Hidden().Hide("checkpoints/7/a.json: damaged"), "7/a.json: damaged");
  EXPECT_EQ(Hidden().Hide("there are no checkpoints: publish one"),
            "there are no checkpoints: publish one");
}

TEST(HiddenFoldersTest, RelativeFolderIsHiddenAsAnAbsolutePathToo) {
  const std::string path = std::filesystem::absolute("checkpoints").string();
  EXPECT_EQ(Hidden().Hide(path + "/7: gone"), "7: gone");
}

TEST(HiddenFoldersTest, TargetOfALinkIsHiddenToo) {
  const TempDir dir;
  std::filesystem::create_directory(dir.File("target"));
  std::filesystem::create_directory_symlink(dir.File("target"), dir.File("link"));
  const HiddenFolders hidden({{dir.File("link"), "the data folder"}});
  EXPECT_EQ(hidden.Hide(dir.File("target") + "/a: gone"), "a: gone");
}

TEST(HiddenFoldersTest, EveryFolderOfTheMachineIsNoFolderToHide) {
  EXPECT_EQ(HiddenFolders({{"/", "all"}, {"", "none"}}).Hide("/etc and /"), "/etc and /");
}

TEST(HiddenFoldersTest, StatusKeepsItsCodeAndPayloads) {
  absl::Status status = absl::DataLossError("/srv/my photos/a: damaged");
  status.SetPayload("type", absl::Cord("payload"));
  const absl::Status shown = Hidden().Hide(status);
  EXPECT_THAT(shown, StatusIs(absl::StatusCode::kDataLoss, "a: damaged"));
  EXPECT_EQ(shown.GetPayload("type"), absl::Cord("payload"));
}

}  // namespace
}  // namespace s2p::test
