// import-dataset --add: images that are added to a data set.
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "daemon/folder_lock.h"
#include "tests/testing/status_matchers.h"
#include "tests/trainer/import/import_fixture.h"
#include "trainer/data/data_set_digest.h"

namespace s2p::test {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

// A data set of the photos 1 and 2 and a sketch of 1, all to train on, and an empty root.
class ImportAdditionTest : public ImportTest {
 protected:
  void SetUp() override {
    options_.test_fraction = "0";
    MakeSet({"photo/1.jpg", "photo/2.jpg", "sketch/1.jpg"});
    options_.test_fraction.clear();
  }
  void WriteAll(const std::vector<std::string>& paths) {
    for (const std::string& path : paths) WriteJpg(path);
  }
  void MakeSet(const std::vector<std::string>& paths) {
    std::filesystem::remove_all(Out());
    WriteAll(paths);
    options_.add = false;
    ASSERT_THAT(Import("folder"), IsOk());
    Empty();
    options_.add = true;
  }
  // Empties the root.
  void Empty() {
    std::filesystem::remove_all(Root());
    std::filesystem::create_directories(Root("photo"));
  }
  // The addition fails with these words, and the set is as it was.
  void ExpectRefused(const std::string& words,
                     absl::StatusCode code = absl::StatusCode::kInvalidArgument) {
    const auto before = Contents();
    EXPECT_THAT(Import("folder"), StatusIs(code, HasSubstr(words)));
    EXPECT_EQ(Contents(), before);
  }
  // The contents of all files of the set but its lock, by path.
  std::map<std::string, std::string> Contents() const {
    std::map<std::string, std::string> contents;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(Out())) {
      const std::string path = entry.path().lexically_relative(Out()).string();
      if (entry.is_regular_file() && path != "lock") contents[path] = Read(entry.path().string());
    }
    return contents;
  }
  // The identity of each image by path.
  std::map<std::string, std::string> IdentityByPath() const {
    std::map<std::string, std::string> identity_of;
    const DataSet data_set = Open();
    for (const DataSetImage& image : data_set.images()) identity_of[image.path] = image.identity;
    return identity_of;
  }
};

TEST_F(ImportAdditionTest, NewImagesAreAddedAndOldLinesStayAsTheyAre) {
  const std::string before = Read(Out("dataset.jsonl"));
  const std::string description = Read(Out("dataset.json"));
  WriteAll({"photo/3.jpg", "sketch/3.jpg", "sketch/2_1.jpg"});
  const auto summary = Import("folder");
  ASSERT_THAT(summary, IsOk());
  EXPECT_EQ(summary->added, 3);
  EXPECT_EQ(summary->already_there, 0);
  EXPECT_EQ(summary->photos, 3);
  EXPECT_EQ(summary->sketches, 3);
  EXPECT_EQ(summary->train_identities, 3);
  EXPECT_THAT(Read(Out("dataset.jsonl")), StartsWith(before));
  EXPECT_EQ(Read(Out("dataset.json")), description);
  EXPECT_EQ(IdentityByPath().at("sketch/2_1.jpg"), "2");
  EXPECT_EQ(Read(Out("photo/3.jpg")), Read(Root("photo/3.jpg")));
}

TEST_F(ImportAdditionTest, ImageThatIsThereIsSkipped) {
  WriteAll({"photo/1.jpg", "photo/2.jpg", "sketch/1.jpg"});
  const auto before = Contents();
  const auto summary = Import("folder");
  ASSERT_THAT(summary, IsOk());
  EXPECT_EQ(summary->added, 0);
  EXPECT_EQ(summary->already_there, 3);
  EXPECT_EQ(Contents(), before);
}

TEST_F(ImportAdditionTest, EveryImageThatIsThereWithOtherBytesIsNamed) {
  Write("photo/1.jpg", Jpeg(2, 2, 3));
  Write("photo/2.jpg", Jpeg(3, 3, 3));
  WriteJpg("photo/3.jpg");
  ExpectRefused("2 files cannot be imported:");
  const std::string message(Import("folder").status().message());
  EXPECT_THAT(message, AllOf(HasSubstr("photo/1.jpg: the data set has another image of this name"),
                             HasSubstr("photo/2.jpg: the data set has another image")));
}

TEST_F(ImportAdditionTest, NameThatMacOsEncodesIsTheSameName) {
  MakeSet({"photo/caf\xc3\xa9.jpg"});
  WriteAll({"photo/cafe\xcc\x81.jpg", "sketch/cafe\xcc\x81.jpg"});
  const auto summary = Import("folder");
  ASSERT_THAT(summary, IsOk());
  EXPECT_EQ(summary->added, 1);
  EXPECT_EQ(IdentityByPath().at("sketch/cafe\xcc\x81.jpg"), "caf\xc3\xa9");
}

TEST_F(ImportAdditionTest, WithoutTheFlagADataSetIsRefusedAndTheFlagNamed) {
  options_.add = false;
  WriteAll({"photo/3.jpg"});
  ExpectRefused("is a data set already; --add adds the images to it",
                absl::StatusCode::kFailedPrecondition);
}

TEST_F(ImportAdditionTest, WithTheFlagAFolderThatIsMissingIsMade) {
  std::filesystem::remove_all(Out());
  WriteAll({"photo/3.jpg"});
  const auto summary = Import("folder");
  ASSERT_THAT(summary, IsOk());
  EXPECT_EQ(summary->added, 1);
}

TEST_F(ImportAdditionTest, LinesAreTheOldOnesUntilAllImagesAreThere) {
  WriteAll({"photo/3.jpg", "photo/4.jpg", "sketch/4.jpg"});
  options_.format = "folder";
  const std::string before = *DataSetDigestCache().Of(Out());
  std::vector<std::string> seen;
  const auto look = [&](int64_t, int64_t) {
    seen.push_back(*DataSetDigestCache().Of(Out()));
    EXPECT_THAT(DataSet::Open(Out()), IsOk());
  };
  ASSERT_THAT(ImportDataset(options_, look), IsOk());
  EXPECT_THAT(seen, ElementsAre(before, before, before));
  EXPECT_NE(*DataSetDigestCache().Of(Out()), before);
}

TEST_F(ImportAdditionTest, ImagesOfAKilledRunAreTakenOver) {
  // As a kill leaves them: whole, but not listed, and one half copied.
  Write("../out/photo/3.jpg", Jpeg(1, 1, 3));
  Write("../out/photo/.adding.tmp", "half");
  WriteAll({"photo/3.jpg", "photo/4.jpg"});
  ASSERT_THAT(Import("folder"), IsOk());
  EXPECT_EQ(IdentityByPath().size(), 5u);
  EXPECT_FALSE(std::filesystem::exists(Out("photo/.adding.tmp")));
}

TEST_F(ImportAdditionTest, FileOfThatNameThatIsNotListedIsNotReplaced) {
  Write("../out/photo/3.jpg", "someone's");
  WriteAll({"photo/3.jpg"});
  ExpectRefused("photo/3.jpg: the data set has another image of this name");
}

TEST_F(ImportAdditionTest, NothingIsLeftIfCopyingFails) {
  WriteAll({"photo/3.jpg", "photo/4.jpg"});
  const auto before = Contents();
  options_.format = "folder";
  const auto lose_second = [&](int64_t done, int64_t) {
    if (done == 1) Remove("photo/4.jpg");
  };
  EXPECT_THAT(ImportDataset(options_, lose_second),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("photo/4.jpg: copy")));
  EXPECT_EQ(Contents(), before);
}

TEST_F(ImportAdditionTest, SetThatAnotherProgramChangesMeanwhileIsLeftAlone) {
  WriteAll({"photo/3.jpg"});
  options_.format = "folder";
  const std::string other = Read(Out("dataset.jsonl")) + "\n";
  const auto change = [&](int64_t, int64_t) { Write("../out/dataset.jsonl", other); };
  EXPECT_THAT(
      ImportDataset(options_, change),
      StatusIs(absl::StatusCode::kAborted, HasSubstr("dataset.jsonl: was changed by another")));
  EXPECT_EQ(Read(Out("dataset.jsonl")), other);
}

TEST_F(ImportAdditionTest, SecondAdditionAtTheSameTimeIsRefused) {
  const auto lock = FolderLock::Acquire(Out());
  ASSERT_THAT(lock, IsOk());
  WriteAll({"photo/3.jpg"});
  ExpectRefused(Out(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(ImportAdditionTest, SketchesAloneBelongToThePhotosOfTheSet) {
  Remove("photo");
  WriteAll({"sketch/2.jpg", "sketch/1-b.jpg"});
  ASSERT_THAT(Import("folder"), IsOk());
  EXPECT_EQ(IdentityByPath().at("sketch/2.jpg"), "2");
  EXPECT_EQ(IdentityByPath().at("sketch/1-b.jpg"), "1");
}

TEST_F(ImportAdditionTest, SketchOfNoPhotoIsNamed) {
  WriteAll({"sketch/7.jpg"});
  ExpectRefused("sketch/7.jpg: identity 7 has no photo");
}

TEST_F(ImportAdditionTest, ViewsThatWereTogetherTakeInAnotherOne) {
  MakeSet({"photo/boot_1.jpg", "photo/boot_2.jpg", "photo/clog.jpg"});
  ASSERT_EQ(IdentityByPath().at("photo/boot_1.jpg"), "boot");
  WriteAll({"photo/boot_3.jpg", "sketch/boot_1_7.jpg"});
  ASSERT_THAT(Import("folder"), IsOk());
  EXPECT_EQ(IdentityByPath().at("photo/boot_3.jpg"), "boot");
  EXPECT_EQ(IdentityByPath().at("sketch/boot_1_7.jpg"), "boot");
}

TEST_F(ImportAdditionTest, NamesThatWereApartStayApart) {
  MakeSet({"photo/boot_1.jpg", "photo/boot_2.jpg"});
  ASSERT_EQ(IdentityByPath().at("photo/boot_1.jpg"), "boot_1");
  WriteAll({"photo/boot_3.jpg", "photo/clog.jpg"});
  ASSERT_THAT(Import("folder"), IsOk());
  EXPECT_EQ(IdentityByPath().at("photo/boot_3.jpg"), "boot_3");
}

TEST_F(ImportAdditionTest, FolderOfTheSetKeepsItsIdentity) {
  MakeSet({"photo/red/a.jpg"});
  WriteAll({"photo/red/b.jpg", "sketch/red_1.jpg"});
  ASSERT_THAT(Import("folder"), IsOk());
  EXPECT_EQ(IdentityByPath().at("photo/red/b.jpg"), "red");
  EXPECT_EQ(IdentityByPath().at("sketch/red_1.jpg"), "red");
}

TEST_F(ImportAdditionTest, IdentitiesStayInTheirSplit) {
  std::vector<std::string> photos;
  for (int i = 0; i < 40; ++i) photos.push_back("photo/" + std::to_string(i) + ".jpg");
  MakeSet(photos);
  const auto test = IdentitiesOf(Open(), "test");
  ASSERT_EQ(test.size(), 10u);
  options_.split_seed = 7;
  for (int i = 0; i < 40; ++i) WriteJpg("sketch/" + std::to_string(i) + ".jpg");
  ASSERT_THAT(Import("folder"), IsOk());
  EXPECT_EQ(IdentitiesOf(Open(), "test"), test);
}

TEST_F(ImportAdditionTest, SetWithoutTestTakesNone) {
  for (int i = 3; i < 40; ++i) WriteJpg("photo/" + std::to_string(i) + ".jpg");
  const auto summary = Import("folder");
  ASSERT_THAT(summary, IsOk());
  EXPECT_EQ(summary->test_identities, 0);
}

TEST_F(ImportAdditionTest, OneByOneIsSplitAsAllTogether) {
  options_.test_fraction = "0.5";
  std::vector<std::set<std::string>> tests;
  for (const bool together : {true, false}) {
    MakeSet({"photo/0.jpg"});
    for (int i = 1; i < 20; ++i) {
      WriteJpg("photo/" + std::to_string(i) + ".jpg");
      if (!together || i == 19) {
        ASSERT_THAT(Import("folder"), IsOk());
        Empty();
      }
    }
    tests.push_back(IdentitiesOf(Open(), "test"));
  }
  EXPECT_EQ(tests[0], tests[1]);
  EXPECT_GT(tests[0].size(), 3u);
  EXPECT_LT(tests[0].size(), 17u);
}

TEST_F(ImportAdditionTest, ImageInTheOtherSplitIsNamed) {
  Empty();
  WriteAll({"test/photo/1_2.jpg"});
  options_.identity_from = "prefix";
  ExpectRefused("test/photo/1_2.jpg: identity 1 is in train and in test");
}

TEST_F(ImportAdditionTest, OtherAttributesAreRefused) {
  Empty();
  Write("dataset.json", R"({"format": 1, "name": "other", "attributes": ["laces"]})");
  Write("dataset.jsonl",
        R"({"path":"photo/9.jpg","identity":"9","modality":"photo","split":"train"})");
  WriteJpg("photo/9.jpg");
  const auto before = Contents();
  EXPECT_THAT(Import("data-set"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("has 0 attributes, and what is to be added has 1")));
  EXPECT_EQ(Contents(), before);
}

TEST_F(ImportAdditionTest, FolderWithoutADataSetIsNotFound) {
  std::filesystem::remove(Out("dataset.json"));
  WriteAll({"photo/3.jpg"});
  ExpectRefused("dataset.json", absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace s2p::test
