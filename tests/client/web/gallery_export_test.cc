#include "client/web/gallery_export.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/files.h"
#include "daemon/folder_lock.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace s2p {
namespace {

namespace fs = std::filesystem;
using test::IsOk;
using test::StatusIs;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

class GalleryExportTest : public testing::Test {
 protected:
  GalleryExportTest() {
    options_.folder = dir_.File("exports");
    source_.list = [this] { return photos_; };
    source_.original = [this](const std::string& id) -> absl::StatusOr<OriginalPhoto> {
      fetched_.push_back(id);
      for (const v1::Photo& photo : photos_) {
        if (photo.photo_id() == id) return OriginalPhoto{photo, BytesOf(photo)};
      }
      return absl::NotFoundError("photo_id: unknown");
    };
    source_.on_photo = [](size_t, size_t) { return absl::OkStatus(); };
  }

  // `content` stands for the bytes, and for their digest.
  void Add(const std::string& id, char content) {
    v1::Photo photo;
    photo.set_photo_id(id);
    photo.set_sha256(std::string(64, content));
    photo.set_bytes(3);
    photo.set_content_type("image/png");
    photos_.push_back(photo);
  }
  static std::string BytesOf(const v1::Photo& photo) { return photo.sha256().substr(0, 3); }
  static std::string Name(char content, const std::string& more = "") {
    return absl::StrCat("photo/", std::string(64, content), more, ".png");
  }
  absl::StatusOr<std::string> Export() {
    fetched_.clear();
    return ExportGallery(options_, source_);
  }
  // A file of a data set; empty if it is not there.
  std::string Read(const std::string& name) {
    std::ifstream file(absl::StrCat(options_.folder, "/", name), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  // Names in the folder, apart from its lock.
  std::vector<std::string> Entries() {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(options_.folder)) {
      if (entry.path().filename() != "lock") names.push_back(entry.path().filename());
    }
    return names;
  }

  test::TempDir dir_;
  GalleryFolderOptions options_;
  GallerySource source_;
  std::vector<v1::Photo> photos_;
  std::vector<std::string> fetched_;
};

TEST_F(GalleryExportTest, ExportIsADataSetOfTheGallery) {
  Add("boot", 'a');
  Add("shoe 7", 'b');
  (*photos_[1].mutable_metadata())["identity"] = "shoe";
  photos_[1].set_modality(v1::MODALITY_SKETCH);
  EXPECT_EQ(*Export(), "gallery-1");
  EXPECT_EQ(Read("gallery-1/dataset.jsonl"),
            absl::StrCat(R"({"path":")", Name('a'),
                         R"(","identity":"boot","modality":"photo","split":"train"})", "\n",
                         R"({"path":"sketch/)", std::string(64, 'b'),
                         R"(.png","identity":"shoe","modality":"sketch","split":"train"})", "\n"));
  EXPECT_EQ(Read("gallery-1/" + Name('a')), "aaa");
  EXPECT_THAT(Read("gallery-1/dataset.json"), HasSubstr(R"("format":1)"));
}

TEST_F(GalleryExportTest, GalleryThatIsTheSameIsNotExportedAgain) {
  Add("boot", 'a');
  ASSERT_THAT(Export(), IsOk());
  EXPECT_EQ(*Export(), "gallery-1");
  EXPECT_THAT(fetched_, IsEmpty());
  EXPECT_THAT(Entries(), ElementsAre("gallery-1"));
}

TEST_F(GalleryExportTest, GrownGalleryIsANewDataSetThatSharesTheFiles) {
  Add("boot", 'a');
  ASSERT_THAT(Export(), IsOk());
  const std::string lines = Read("gallery-1/dataset.jsonl");
  Add("shoe", 'b');
  EXPECT_EQ(*Export(), "gallery-2");
  EXPECT_THAT(fetched_, ElementsAre("shoe"));
  EXPECT_EQ(Read("gallery-1/dataset.jsonl"), lines);
  EXPECT_EQ(Read("gallery-2/" + Name('a')), "aaa");
  EXPECT_TRUE(fs::equivalent(options_.folder + "/gallery-1/" + Name('a'),
                             options_.folder + "/gallery-2/" + Name('a')));
}

TEST_F(GalleryExportTest, ImageThatWasCutShortIsFetchedAgain) {
  Add("boot", 'a');
  ASSERT_THAT(Export(), IsOk());
  fs::resize_file(options_.folder + "/gallery-1/" + Name('a'), 1);
  Add("shoe", 'b');
  ASSERT_THAT(Export(), IsOk());
  EXPECT_THAT(fetched_, ElementsAre("boot", "shoe"));
  EXPECT_EQ(Read("gallery-2/" + Name('a')), "aaa");
}

TEST_F(GalleryExportTest, DamagedDataSetOfTheSameGalleryIsNotGivenAgain) {
  Add("boot", 'a');
  ASSERT_THAT(Export(), IsOk());
  fs::remove(options_.folder + "/gallery-1/" + Name('a'));
  EXPECT_EQ(*Export(), "gallery-2");
  EXPECT_EQ(Read("gallery-2/" + Name('a')), "aaa");
}

TEST_F(GalleryExportTest, PhotosOfEqualBytesHaveAFileEach) {
  Add("boot", 'a');
  Add("copy", 'a');
  ASSERT_THAT(Export(), IsOk());
  EXPECT_EQ(Read("gallery-1/" + Name('a')), "aaa");
  EXPECT_EQ(Read("gallery-1/" + Name('a', "-2")), "aaa");
}

TEST_F(GalleryExportTest, PhotoThatIsReplacedMeanwhileHasItsNewDigest) {
  Add("boot", 'a');
  source_.on_photo = [this](size_t, size_t) {
    photos_[0].set_sha256(std::string(64, 'c'));
    return absl::OkStatus();
  };
  ASSERT_THAT(Export(), IsOk());
  EXPECT_THAT(Read("gallery-1/dataset.jsonl"), HasSubstr(Name('c')));
  EXPECT_EQ(Read("gallery-1/" + Name('c')), "ccc");
}

TEST_F(GalleryExportTest, PhotoThatIsDeletedMeanwhileIsLeftOut) {
  Add("boot", 'a');
  Add("shoe", 'b');
  source_.on_photo = [this](size_t done, size_t) {
    if (done == 0) photos_.pop_back();
    return absl::OkStatus();
  };
  ASSERT_THAT(Export(), IsOk());
  EXPECT_THAT(Read("gallery-1/dataset.jsonl"),
              AllOf(HasSubstr("boot"), testing::Not(HasSubstr("shoe"))));
}

TEST_F(GalleryExportTest, FailureLeavesNothing) {
  Add("boot", 'a');
  Add("shoe", 'b');
  source_.on_photo = [](size_t done, size_t) {
    return done == 1 ? absl::CancelledError("enough") : absl::OkStatus();
  };
  EXPECT_THAT(Export(), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(fetched_, ElementsAre("boot"));
  EXPECT_THAT(Entries(), IsEmpty());
}

TEST_F(GalleryExportTest, RemainsOfACrashAreRemoved) {
  Add("boot", 'a');
  fs::create_directories(options_.folder + "/.new/photo");
  ASSERT_THAT(WriteFile(options_.folder + "/.new/photo/half.jpg", "half"), IsOk());
  ASSERT_THAT(Export(), IsOk());
  EXPECT_THAT(Entries(), ElementsAre("gallery-1"));
  EXPECT_FALSE(fs::exists(options_.folder + "/gallery-1/photo/half.jpg"));
}

TEST_F(GalleryExportTest, FullDiskIsSaidBeforeAnythingIsWritten) {
  Add("boot", 'a');
  ASSERT_THAT(Export(), IsOk());
  Add("shoe", 'b');
  photos_[1].set_bytes(7'000'000);
  options_.measure_disk = [](const std::string&) { return DiskSpace{6'000'000, 9'000'000}; };
  EXPECT_THAT(Export(), StatusIs(absl::StatusCode::kResourceExhausted,
                                 AllOf(HasSubstr("7 MB"), HasSubstr("6 MB left"))));
  EXPECT_THAT(fetched_, IsEmpty());
  EXPECT_THAT(Entries(), ElementsAre("gallery-1"));
}

TEST_F(GalleryExportTest, EmptyGalleryIsRefused) {
  EXPECT_THAT(Export(), StatusIs(absl::StatusCode::kNotFound, HasSubstr("no photos")));
}

TEST_F(GalleryExportTest, DigestThatIsNoneNamesNoFile) {
  Add("boot", 'a');
  photos_[0].set_sha256("../../outside");
  EXPECT_THAT(Export(), StatusIs(absl::StatusCode::kInternal, HasSubstr("SHA-256 of photo boot")));
}

TEST_F(GalleryExportTest, FolderOfAnotherProcessIsLeftAlone) {
  Add("boot", 'a');
  const auto lock = FolderLock::Acquire(options_.folder);
  ASSERT_THAT(lock, IsOk());
  EXPECT_THAT(Export(), StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("in use")));
}

}  // namespace
}  // namespace s2p
