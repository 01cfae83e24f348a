#include "client/photo_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "client/arguments.h"
#include "tests/testing/temp_dir.h"

namespace s2p {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class PhotoFilesTest : public ::testing::Test {
 protected:
  void Write(const std::string& name, const std::string& bytes = "x") {
    std::filesystem::create_directories(std::filesystem::path(Path(name)).parent_path());
    ASSERT_TRUE(WriteFile(Path(name), bytes).ok());
  }
  std::string Path(const std::string& name) const { return dir_.path() + "/" + name; }
  std::vector<std::string> Ids() const {
    const auto files = ListPhotoFiles(options_);
    EXPECT_TRUE(files.ok()) << files.status();
    std::vector<std::string> ids;
    for (const PhotoFile& file : *files) ids.push_back(file.photo_id);
    return ids;
  }

  testing::TempDir dir_;
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
  EXPECT_EQ(files.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(files.status().message()), HasSubstr(Path("a/1.jpg")));
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
  const auto files = ListPhotoFiles(options_);
  ASSERT_TRUE(files.ok()) << files.status();
  ASSERT_EQ(files->size(), 1u);
  EXPECT_EQ((*files)[0].path, Path("photo/1.jpg"));
  EXPECT_THAT((*files)[0].metadata,
              ElementsAre(std::pair("dataset", "shoes"), std::pair("identity", "7"),
                          std::pair("shop", "x"), std::pair("split", "test")));
}

TEST_F(PhotoFilesTest, NothingOrBothToAddIsRefused) {
  EXPECT_EQ(ListPhotoFiles(options_).status().code(), absl::StatusCode::kInvalidArgument);
  options_.paths = {"a"};
  options_.dataset = "b";
  EXPECT_EQ(ListPhotoFiles(options_).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(PhotoFilesTest, MissingFileIsNotFound) {
  options_.paths = {Path("none.jpg")};
  EXPECT_EQ(ListPhotoFiles(options_).status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace s2p
