#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "tests/testing/status_matchers.h"
#include "tests/trainer/import/import_fixture.h"

namespace s2p::test {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

class ImportPhotosTest : public ImportTest {
 protected:
  void SetUp() override {
    WriteJpg("boots/2024/1.jpg");
    WriteJpg("boots/1.JPG");
    WritePng("1.png");
  }
  std::vector<std::string> Paths() {
    const DataSet data_set = Open();
    std::vector<std::string> paths;
    for (const DataSetImage& image : data_set.images()) paths.push_back(image.path);
    return paths;
  }
};

TEST_F(ImportPhotosTest, EveryPhotoAtAnyDepthIsAThingOfItsOwn) {
  const auto summary = Import("photos");
  ASSERT_THAT(summary, IsOk());
  EXPECT_EQ(summary->photos, 3);
  EXPECT_EQ(summary->train_identities, 3);
  EXPECT_THAT(summary->warnings, IsEmpty());
  EXPECT_THAT(summary->remarks, IsEmpty());
  EXPECT_THAT(Paths(),
              UnorderedElementsAre("photo/1.png", "photo/boots/1.JPG", "photo/boots/2024/1.jpg"));
}

TEST_F(ImportPhotosTest, FilesOfOtherKindsAreLeftOutAndCounted) {
  Write("boots/list.txt", "1");
  Write("IMG_1.HEIC", "x");
  Write("IMG_2.heic", "x");
  Write("README", "x");
  const auto summary = Import("photos");
  ASSERT_THAT(summary, IsOk());
  EXPECT_EQ(summary->photos, 3);
  EXPECT_THAT(summary->remarks,
              ElementsAre(HasSubstr("left out: .heic (2), .txt (1), no ending (1)")));
}

TEST_F(ImportPhotosTest, ImageThatCannotBeReadIsLeftOutWithAWarning) {
  Write("boots/3.jpg", "no picture");
  const auto summary = Import("photos");
  ASSERT_THAT(summary, IsOk());
  EXPECT_EQ(summary->photos, 3);
  EXPECT_EQ(summary->left_out, 1);
  EXPECT_THAT(summary->warnings,
              ElementsAre(AllOf(HasSubstr("1 images are left out"), HasSubstr("boots/3.jpg"))));
}

TEST_F(ImportPhotosTest, FolderWithoutAnImageIsRefusedWithTheFirstReason) {
  Remove("boots");
  Remove("1.png");
  Write("a/3.jpg", "no picture");
  ExpectWrong("photos", "has no JPEG, PNG or WebP image that can be read; the first that cannot: ");
}

TEST_F(ImportPhotosTest, MissingFolderIsNotFound) {
  Remove("");
  ExpectMissing("photos", "there is no such folder");
}

TEST_F(ImportPhotosTest, LinkBackToAFolderIsNotFollowed) {
  std::filesystem::create_directory_symlink("..", Root("boots/up"));
  const auto summary = Import("photos");
  ASSERT_THAT(summary, IsOk());
  EXPECT_EQ(summary->photos, 3);
  EXPECT_THAT(summary->remarks,
              ElementsAre(HasSubstr("links to folders are not followed: boots/up")));
}

TEST_F(ImportPhotosTest, UnpairedSketchesShareNoIdentityWithAPhoto) {
  WritePng("drawn/1.png");
  WritePng("drawn/more/2.png");
  options_.unpaired_sketches = Root("drawn");
  const auto summary = Import("photos");
  ASSERT_THAT(summary, IsOk());
  EXPECT_EQ(summary->photos, 3) << "sketches in the folder of photos are no photos";
  EXPECT_EQ(summary->sketches, 2);
  EXPECT_EQ(summary->train_identities, 5);
}

TEST_F(ImportPhotosTest, SecondImportAddsWhatIsNew) {
  WritePng("drawn/1.png");
  options_.unpaired_sketches = Root("drawn");
  options_.add = true;
  ASSERT_THAT(Import("photos"), IsOk());
  WriteJpg("boots/4.jpg");
  WritePng("drawn/2.png");
  const auto summary = Import("photos");
  ASSERT_THAT(summary, IsOk());
  EXPECT_EQ(summary->added, 2);
  EXPECT_EQ(summary->already_there, 4);
  EXPECT_EQ(summary->photos, 4);
  EXPECT_EQ(summary->sketches, 2);
}

TEST_F(ImportPhotosTest, KilledFirstImportIsStartedOver) {
  options_ = {"photos", Root(), Out()};
  options_.add = true;
  EXPECT_EXIT(static_cast<void>(ImportDataset(options_, [](int64_t, int64_t) { _exit(3); })),
              testing::ExitedWithCode(3), "");
  const auto summary = Import("photos");
  ASSERT_THAT(summary, IsOk());
  EXPECT_EQ(summary->added, 3);
}

// An import that is killed after its last image, but before it forgets that it was unfinished.
TEST_F(ImportPhotosTest, WholeSetOfAKilledImportIsAddedTo) {
  options_.add = true;
  ASSERT_THAT(Import("photos"), IsOk());
  Write("../out/.unfinished-import", "");
  const auto summary = Import("photos");
  ASSERT_THAT(summary, IsOk());
  EXPECT_EQ(summary->already_there, 3);
  EXPECT_FALSE(std::filesystem::exists(Out(".unfinished-import")));
}

TEST_F(ImportPhotosTest, WhereverAnAdditionIsStoppedTheSetIsAsItWas) {
  options_.add = true;
  ASSERT_THAT(Import("photos"), IsOk());
  WriteJpg("boots/4.jpg");
  const std::string before = Read(Out("dataset.jsonl"));
  int stopped = 0;
  for (absl::Status status = absl::CancelledError(""); !status.ok(); ++stopped) {
    ASSERT_THAT(status, StatusIs(absl::StatusCode::kCancelled));
    ASSERT_EQ(Read(Out("dataset.jsonl")), before);
    int asked = 0;
    status = ImportDataset(options_, {}, [&] { return asked++ == stopped; }).status();
  }
  // While each of four photos was read, and compared, and the new one copied.
  EXPECT_GT(stopped, 9);
  EXPECT_EQ(Open().images().size(), 4u);
}

TEST_F(ImportPhotosTest, OutputAmongPhotosOrSketchesIsRefusedBeforeAnImageIsRead) {
  WritePng("../drawn/1.png");
  for (const std::string& out : {Root(), Root("copy/data"), Root("boots"), Root("../drawn/data")}) {
    options_ = {"photos", Root(), out};
    options_.unpaired_sketches = Root("../drawn");
    options_.add = true;
    const auto fail = [] {
      ADD_FAILURE() << "an image is read";
      return false;
    };
    EXPECT_THAT(ImportDataset(options_, {}, fail),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(": lies in ")))
        << out;
  }
  EXPECT_FALSE(std::filesystem::exists(Root("copy")));
}

TEST_F(ImportPhotosTest, FolderOfPhotosIsNotThatOfSketches) {
  options_.unpaired_sketches = Root("boots/..");
  ExpectWrong("photos", "is the folder of photos; sketches that belong to none of them");
}

// The identities of photos are their files' names, with the ending.
class SketchesAddedToPhotosTest : public ImportPhotosTest {
 protected:
  // Adds these to a set of the photos, and returns the identity of each image by path.
  std::map<std::string, std::string> Add(const std::vector<std::string>& paths) {
    EXPECT_THAT(Import("photos"), IsOk());
    Remove("");
    for (const std::string& path : paths) WriteJpg(path);
    options_.add = true;
    const auto summary = Import("folder");
    EXPECT_THAT(summary, IsOk());
    if (summary.ok()) remarks_ = summary->remarks;
    std::map<std::string, std::string> identity_of;
    const DataSet data_set = Open();
    for (const DataSetImage& image : data_set.images()) identity_of[image.path] = image.identity;
    return identity_of;
  }

  std::vector<std::string> remarks_;
};

TEST_F(SketchesAddedToPhotosTest, BelongToThePhotosOfTheirNames) {
  WriteJpg("boot 7.jpg");
  const auto identity_of = Add({"sketch/boot 7.jpg", "sketch/1_2.jpg"});
  EXPECT_EQ(identity_of.at("sketch/boot 7.jpg"), "boot 7.jpg");
  EXPECT_EQ(identity_of.at("sketch/1_2.jpg"), "1.png");
}

TEST_F(SketchesAddedToPhotosTest, AreAllTrainedOn) {
  Add({"sketch/1.jpg"});
  EXPECT_EQ(IdentitiesOf(Open(), "train").size(), 3u);
  EXPECT_EQ(IdentitiesOf(Open(), "test").size(), 0u);
}

// Folders of photos are no things.
TEST_F(SketchesAddedToPhotosTest, InAFolderBelongToNoPhotoOfThatFolder) {
  ASSERT_THAT(Import("photos"), IsOk());
  Remove("");
  WriteJpg("sketch/boots/2.jpg");
  options_.add = true;
  EXPECT_THAT(Import("folder"), StatusIs(absl::StatusCode::kInvalidArgument,
                                         HasSubstr("identity boots has no photo")));
}

TEST_F(SketchesAddedToPhotosTest, LeavePhotosWithACommonPrefixApart) {
  for (const char* name : {"shoe_a.jpg", "shoe_b.jpg", "shoe_c.jpg"}) WriteJpg(name);
  const auto identity_of = Add({"sketch/shoe_a.jpg", "photo/shoe_d.jpg"});
  EXPECT_EQ(identity_of.at("sketch/shoe_a.jpg"), "shoe_a.jpg");
  EXPECT_EQ(identity_of.at("photo/shoe_d.jpg"), "shoe_d");
  for (const std::string& remark : remarks_) {
    EXPECT_THAT(remark, testing::Not(HasSubstr("keeps them apart")));
  }
}

TEST_F(ImportPhotosTest, OtherFormatsTakeNoUnpairedSketches) {
  options_.unpaired_sketches = Root("drawn");
  ExpectWrong("folder", "format folder takes no unpaired sketches");
}

}  // namespace
}  // namespace s2p::test
