#include "client/photo_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "client/files.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace s2p {
namespace {

using test::IsOk;
using test::StatusIs;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

class PhotoFilesTest : public testing::Test {
 protected:
  void Write(const std::string& name, const std::string& bytes = "x") {
    std::filesystem::create_directories(std::filesystem::path(Path(name)).parent_path());
    ASSERT_THAT(WriteFile(Path(name), bytes), IsOk());
  }
  std::string Path(const std::string& name) const { return dir_.path() + "/" + name; }
  PhotoList List() const {
    auto list = ListPhotoFiles(options_);
    EXPECT_THAT(list, IsOk());
    return list.ok() ? *std::move(list) : PhotoList();
  }
  std::vector<std::string> Ids() const {
    std::vector<std::string> ids;
    for (const PhotoFile& file : List().files) ids.push_back(file.photo_id);
    return ids;
  }

  test::TempDir dir_;
  std::error_code ignored_;
  GalleryAddOptions options_;
};

TEST_F(PhotoFilesTest, FolderGivesItsImagesSorted) {
  Write("in/b.jpg");
  Write("in/a/c.PNG");
  Write("in/notes.txt");
  options_.paths = {Path("in")};
  EXPECT_THAT(Ids(), ElementsAre("c", "b"));
  options_.id_from = "path";
  EXPECT_THAT(Ids(), ElementsAre("a/c.PNG", "b.jpg"));
}

TEST_F(PhotoFilesTest, SameStemTwiceIsRefusedNamingBoth) {
  Write("a/1.jpg");
  Write("b/1.jpg");
  options_.paths = {Path("a/1.jpg"), Path("b/1.jpg")};
  const auto files = ListPhotoFiles(options_);
  EXPECT_THAT(files, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(Path("a/1.jpg"))));
  EXPECT_THAT(std::string(files.status().message()), HasSubstr(Path("b/1.jpg")));
}

TEST_F(PhotoFilesTest, DigestIsTheIdAndEqualFilesAreOne) {
  Write("a.jpg", "abc");
  Write("b.jpg", "abc");
  options_.paths = {Path("a.jpg"), Path("b.jpg")};
  options_.id_from = "sha256";
  EXPECT_THAT(Ids(),
              ElementsAre("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
}

TEST_F(PhotoFilesTest, DataSetGivesPhotosOfTheSplitWithTheirIdentity) {
  Write("dataset.json", R"({"format":1,"name":"shoes"})");
  Write("dataset.jsonl",
        R"({"path":"photo/1.jpg","identity":"7","modality":"photo","split":"test"})"
        "\n"
        R"({"path":"sketch/1.png","identity":"7","modality":"sketch","split":"test"})"
        "\n");
  options_.dataset = dir_.path();
  options_.metadata = {"shop=x"};
  const std::vector<PhotoFile> files = List().files;
  ASSERT_EQ(files.size(), 1u);
  EXPECT_EQ(files[0].path, Path("photo/1.jpg"));
  EXPECT_THAT(files[0].metadata,
              ElementsAre(std::pair("dataset", "shoes"), std::pair("identity", "7"),
                          std::pair("shop", "x"), std::pair("split", "test")));
}

TEST_F(PhotoFilesTest, NothingOrBothToAddIsRefused) {
  EXPECT_THAT(ListPhotoFiles(options_), StatusIs(absl::StatusCode::kInvalidArgument));
  options_.paths = {"a"};
  options_.dataset = "b";
  EXPECT_THAT(ListPhotoFiles(options_), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(PhotoFilesTest, NameThatIsNotUtf8IsRefusedAloneWithARemedy) {
  for (const char* name : {"in/a1.jpg", "in/caf\xE9.jpg", "in/z9.jpg"}) Write(name);
  options_.paths = {Path("in")};
  EXPECT_THAT(Ids(), ElementsAre("a1", "z9"));
  const PhotoList list = List();
  ASSERT_EQ(list.refused.size(), 1u);
  EXPECT_EQ(list.refused[0].path, Path("in/caf\xE9.jpg"));
  EXPECT_EQ(list.refused[0].why.message(),
            "the id: \"caf\\xe9\" is not UTF-8 text; rename the file, or give --id-from sha256");
}

TEST_F(PhotoFilesTest, FolderWhoseNameIsNotUtf8SpoilsOnlyPaths) {
  Write("in/\xFF/a.jpg");
  options_.paths = {Path("in")};
  EXPECT_THAT(Ids(), ElementsAre("a"));
  options_.id_from = "path";
  EXPECT_EQ(List().refused.size(), 1u);
  options_.id_from = "sha256";
  EXPECT_EQ(Ids().size(), 1u);
}

TEST_F(PhotoFilesTest, NameSpecialToAShellIsAnId) {
  const std::vector<std::string> names = {
      " a ", "#1%20?&", "-rf", "e\xCC\x81", "it's \"it\"", "\xC3\xA9", "\xF0\x9F\x91\x9F"};
  for (const std::string& name : names) Write("in/" + name + ".jpg");
  options_.paths = {Path("in")};
  EXPECT_EQ(Ids(), names);
}

TEST_F(PhotoFilesTest, NameWithALineBreakIsRefusedAlone) {
  Write("in/a\nb.jpg");
  Write("in/c.jpg");
  options_.paths = {Path("in")};
  EXPECT_THAT(Ids(), ElementsAre("c"));
  EXPECT_THAT(std::string(List().refused[0].why.message()), HasSubstr("\"a\\nb\""));
}

TEST_F(PhotoFilesTest, LongestFileNameIsAnIdButALongPathIsNot) {
  const std::string longest(251, 'x');
  Write("in/" + longest + ".jpg");
  Write("in/deep/" + longest + ".png");
  options_.paths = {Path("in/" + longest + ".jpg")};
  EXPECT_THAT(Ids(), ElementsAre(longest));
  options_.paths = {Path("in")};
  options_.id_from = "path";
  EXPECT_EQ(Ids().size(), 1u);
  EXPECT_THAT(std::string(List().refused[0].why.message()), HasSubstr("260 bytes; 1 to 256"));
}

TEST_F(PhotoFilesTest, MetadataThatTheServerWouldRefuseIsRefusedFirst) {
  Write("a.jpg");
  options_.paths = {Path("a.jpg")};
  options_.metadata = {"shop=caf\xE9"};
  const absl::Status status = ListPhotoFiles(options_).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument,
                               "--metadata: \"shop=caf\\xe9\" is not UTF-8 text"));
}

TEST_F(PhotoFilesTest, FilesLeftBehindByProgramsAreSkipped) {
  Write("in/a.jpg");
  const std::vector<std::string> others = {
      "._a.jpg",          ".DS_Store", "__MACOSX/._a.jpg", ".thumbnails/a.jpg",
      "@eaDir/a.jpg",     "Thumbs.db", "Desktop.ini",      "b.jpg.part",
      "c.jpg.crdownload", "d.tmp",     ".a.jpg.Xy12Zz",    "#recycle/a.jpg"};
  for (const std::string& name : others) Write("in/" + name);
  options_.paths = {Path("in")};
  EXPECT_THAT(Ids(), ElementsAre("a"));
  EXPECT_EQ(List().skipped, others.size());
}

TEST_F(PhotoFilesTest, FileGivenByNameIsIncluded) {
  Write(".hidden/._a.jpg");
  Write(".hidden/b.jpg");
  options_.paths = {Path(".hidden/._a.jpg"), Path(".hidden")};
  EXPECT_THAT(Ids(), ElementsAre("._a", "b"));
}

TEST_F(PhotoFilesTest, LinkToAFileIsFollowedAndADanglingLinkIsRefused) {
  Write("real.jpg");
  Write("in/b.jpg");
  std::filesystem::create_symlink(Path("real.jpg"), Path("in/a.jpg"));
  std::filesystem::create_symlink(Path("none.jpg"), Path("in/c.jpg"));
  options_.paths = {Path("in")};
  EXPECT_THAT(Ids(), ElementsAre("a", "b"));
  ASSERT_EQ(List().refused.size(), 1u);
  EXPECT_EQ(List().refused[0].path, Path("in/c.jpg"));
}

TEST_F(PhotoFilesTest, LoopOfFoldersEnds) {
  Write("in/deep/a.jpg");
  std::filesystem::create_directory_symlink(Path("in"), Path("in/deep/again"));
  options_.paths = {Path("in")};
  EXPECT_THAT(Ids(), ElementsAre("a"));
  EXPECT_EQ(List().linked_folders, 1u);
}

TEST_F(PhotoFilesTest, FolderThatCannotBeReadIsRefusedAlone) {
  Write("in/a.jpg");
  std::filesystem::create_directory(Path("in/locked"));
  std::filesystem::permissions(Path("in/locked"), std::filesystem::perms::none);
  if (std::filesystem::directory_iterator(Path("in/locked"), ignored_); !ignored_) {
    GTEST_SKIP() << "this user may read every folder";
  }
  options_.paths = {Path("in")};
  EXPECT_THAT(Ids(), ElementsAre("a"));
  EXPECT_EQ(List().refused[0].path, Path("in/locked"));
  EXPECT_THAT(std::string(List().refused[0].why.message()), HasSubstr("Permission denied"));
  std::filesystem::permissions(Path("in/locked"), std::filesystem::perms::owner_all);
}

TEST_F(PhotoFilesTest, NamesThatDifferInCaseAreDifferentIds) {
  Write("in/A.jpg");
  Write("in/a.jpg");
  options_.paths = {Path("in")};
  EXPECT_THAT(Ids(), ElementsAre("A", "a"));
}

TEST_F(PhotoFilesTest, NamesThatDifferInTheCaseOfTheExtensionAreNamed) {
  Write("in/IMG.JPG");
  Write("in/IMG.jpg");
  options_.paths = {Path("in")};
  const absl::Status status = ListPhotoFiles(options_).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument,
                               AllOf(HasSubstr("IMG.JPG"), HasSubstr("IMG.jpg"),
                                     HasSubstr("--id-from path"))));
  options_.id_from = "path";
  EXPECT_THAT(Ids(), ElementsAre("IMG.JPG", "IMG.jpg"));
}

TEST_F(PhotoFilesTest, UnreadableFileHasNoDigestAndIsRefusedAlone) {
  Write("in/a.jpg");
  Write("in/empty.jpg", "");
  options_.paths = {Path("in")};
  options_.id_from = "sha256";
  EXPECT_EQ(Ids().size(), 1u);
  EXPECT_EQ(List().refused[0].path, Path("in/empty.jpg"));
}

TEST_F(PhotoFilesTest, MissingFileIsNotFound) {
  options_.paths = {Path("none.jpg")};
  EXPECT_THAT(ListPhotoFiles(options_), StatusIs(absl::StatusCode::kNotFound));
}

}  // namespace
}  // namespace s2p
