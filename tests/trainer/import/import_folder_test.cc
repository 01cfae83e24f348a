#include <map>
#include <set>
#include <string>
#include <vector>

#include "tests/testing/status_matchers.h"
#include "tests/trainer/import/import_fixture.h"

namespace s2p::test {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class ImportFolderTest : public ImportTest {
 protected:
  void WritePhotos(const std::vector<std::string>& stems) {
    for (const std::string& stem : stems) WriteJpg("photo/" + stem + ".jpg");
  }
  void WriteSketches(const std::vector<std::string>& stems) {
    for (const std::string& stem : stems) WritePng("sketch/" + stem + ".png");
  }
  // The identities of all images that Import accepts.
  std::set<std::string> Identities() {
    const auto summary = Import("folder");
    EXPECT_THAT(summary, IsOk());
    std::set<std::string> all;
    if (!summary.ok()) return all;
    remarks_ = summary->remarks;
    warnings_ = summary->warnings;
    identities_from_ = summary->identities_from;
    const DataSet data_set = Open();
    for (const DataSetImage& image : data_set.images()) all.insert(image.identity);
    return all;
  }

  // The identity of each image that Import accepts, by path.
  std::map<std::string, std::string> IdentityByPath() {
    std::map<std::string, std::string> identity_of;
    EXPECT_THAT(Import("folder"), IsOk());
    const DataSet data_set = Open();
    for (const DataSetImage& image : data_set.images()) identity_of[image.path] = image.identity;
    return identity_of;
  }

  std::vector<std::string> remarks_;
  std::vector<std::string> warnings_;
  std::vector<std::string> identities_from_;
};

TEST_F(ImportFolderTest, PicturesOfACameraAreIdentitiesOfTheirOwn) {
  WritePhotos({"DSC_0007", "IMG_0001", "IMG_0002", "IMG_20260131_101530", "20260131_101530",
               "20260131_101544", "_MG_0815", "PXL_20260131_101530123.MP"});
  EXPECT_EQ(Identities().size(), 8u);
  EXPECT_THAT(remarks_, ElementsAre(AllOf(HasSubstr("20260131_101530 and 20260131_101544"),
                                          HasSubstr("5 photos"), HasSubstr("of 5 identities"))));
}

TEST_F(ImportFolderTest, SketchBelongsToThePhotoOfItsName) {
  WritePhotos({"IMG_0001", "IMG_0002"});
  WriteSketches({"IMG_0001", "IMG_0002_7", "IMG_0002-b", "IMG_0002 (1)"});
  EXPECT_THAT(Identities(), ElementsAre("IMG_0001", "IMG_0002"));
}

TEST_F(ImportFolderTest, SketchesOfOnePhotoAreNumberedAfterIt) {
  WritePhotos({"7", "12"});
  WriteSketches({"7_1", "7_2", "12_1"});
  EXPECT_THAT(Identities(), ElementsAre("12", "7"));
  EXPECT_THAT(remarks_, IsEmpty());
}

TEST_F(ImportFolderTest, WordsOfCamerasAreNoIdentities) {
  WritePhotos({"IMG_E0001", "IMG_1", "IMG_2 (1)", "dscn_a", "dscn_b", "Screenshot_home",
               "Screenshot_shop", "boot_side", "boot_top"});
  EXPECT_EQ(Identities().size(), 8u);
}

TEST_F(ImportFolderTest, PhotosWithSketchesOfTheirOwnAreIdentitiesOfTheirOwn) {
  WritePhotos({"boot_blue", "boot_red", "clog_old"});
  WriteSketches({"boot_blue", "boot_red_1", "clog_old"});
  EXPECT_THAT(Identities(), ElementsAre("boot_blue", "boot_red", "clog_old"));
}

TEST_F(ImportFolderTest, OneSketchOfOneViewLeavesTheViewsTogether) {
  WritePhotos({"boot_1", "boot_2", "clog_1", "clog_2"});
  WriteSketches({"boot_1", "clog_2-b"});
  EXPECT_THAT(Identities(), ElementsAre("boot", "clog"));
}

TEST_F(ImportFolderTest, NumberInBracketsIsOfThePhotoOfTheName) {
  WritePhotos({"IMG_0001", "IMG_0001(1)"});
  WriteSketches({"IMG_0001(2)", "IMG_0001(1)"});
  const auto identity_of = IdentityByPath();
  EXPECT_EQ(identity_of.at("sketch/IMG_0001(2).png"), "IMG_0001");
  EXPECT_EQ(identity_of.at("sketch/IMG_0001(1).png"), "IMG_0001(1)");
}

TEST_F(ImportFolderTest, FolderOfSketchesMayBeNamedAfterAPhoto) {
  WritePhotos({"IMG_0001", "IMG_0002", "boot_1", "boot_2"});
  WriteSketches({"IMG_0002/first", "IMG_0002/second", "boot/a"});
  const auto identity_of = IdentityByPath();
  EXPECT_EQ(identity_of.at("sketch/IMG_0002/second.png"), "IMG_0002");
  EXPECT_EQ(identity_of.at("sketch/boot/a.png"), "boot");
  EXPECT_EQ(identity_of.at("photo/boot_1.jpg"), "boot");
}

TEST_F(ImportFolderTest, NamesOfOneSpellingArePairedHoweverTheyAreEncoded) {
  WritePhotos({"caf\xc3\xa9", "\xed\x95\x99 1",
               "pi\xc3\xb1"
               "a/1"});
  // As macOS writes them.
  WriteSketches({"cafe\xcc\x81", "\xe1\x84\x92\xe1\x85\xa1\xe1\x86\xa8 1-b",
                 "pin\xcc\x83"
                 "a/2"});
  EXPECT_THAT(Identities(), ElementsAre("caf\xc3\xa9",
                                        "pi\xc3\xb1"
                                        "a",
                                        "\xed\x95\x99 1"));
}

TEST_F(ImportFolderTest, EndingsMayBeInCapitalsAndNamesHaveBlanks) {
  WriteJpg("photo/my boot.JPG");
  WriteJpg("photo/clog.JPEG");
  WritePng("sketch/my boot.PNG");
  WritePng("sketch/clog 2.Png");
  EXPECT_THAT(Identities(), ElementsAre("clog", "my boot"));
}

TEST_F(ImportFolderTest, FoldersMayBeCalledPhotosAndSketchesInAnyCase) {
  WriteJpg("Train/Photos/1.jpg");
  WritePng("Train/SKETCHES/1.png");
  WriteJpg("test/photos/2.jpg");
  const auto summary = Import("folder");
  ASSERT_THAT(summary, IsOk());
  EXPECT_EQ(summary->sketches, 1);
  EXPECT_THAT(IdentitiesOf(Open(), "train"), ElementsAre("1"));
  EXPECT_THAT(IdentitiesOf(Open(), "test"), ElementsAre("2"));
}

TEST_F(ImportFolderTest, FolderOfTheUsualNameWinsAndTheOtherIsTold) {
  WritePhotos({"1"});
  WriteJpg("photos/2.jpg");
  EXPECT_THAT(Identities(), ElementsAre("1"));
  EXPECT_THAT(remarks_, ElementsAre(HasSubstr("photos/ is not read")));
}

TEST_F(ImportFolderTest, TwoFoldersThatMayBeMeantAreRefused) {
  WriteJpg("Photo/1.jpg");
  WriteJpg("photos/2.jpg");
  ExpectWrong("folder", "photos: is there next to Photo, so it is unclear which is meant");
}

TEST_F(ImportFolderTest, ReportSaysWhatIdentitiesWereFoundBy) {
  WritePhotos({"IMG_0001", "IMG_0002", "IMG_0003", "IMG_0004", "boot_1", "boot_2", "red/1"});
  WriteSketches({"IMG_0001", "IMG_0002_7"});
  Identities();
  EXPECT_THAT(identities_from_,
              ElementsAre("photos by folder (1): red/1.jpg shows red",
                          "photos by their own names (4): IMG_0001.jpg shows IMG_0001, "
                          "IMG_0002.jpg shows IMG_0002, IMG_0003.jpg shows IMG_0003, and so on",
                          "photos by their names up to the first _ (2): boot_1.jpg shows boot, "
                          "boot_2.jpg shows boot",
                          "sketches by the photo of the same name (1): IMG_0001.png shows IMG_0001",
                          "sketches by the photo whose name theirs starts with (1): "
                          "IMG_0002_7.png shows IMG_0002"));
}

TEST_F(ImportFolderTest, IdentityWithSuspiciouslyManyPhotosIsTold) {
  for (int i = 0; i < 10; ++i) WriteJpg("photo/shoes/" + std::to_string(i) + ".jpg");
  WritePhotos({"a", "b"});
  Identities();
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("Check shoes (10 photos);")));
}

TEST_F(ImportFolderTest, CamerasPrefixThatWasAskedForIsTold) {
  options_.identity_from = "prefix";
  WritePhotos({"IMG_0001", "IMG_0002", "boot_1", "boot_2"});
  Identities();
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("Check IMG (2 photos);")));
}

TEST_F(ImportFolderTest, OrderInWhichFilesWereMadeDecidesNothing) {
  const std::vector<std::string> photos = {"boot_2", "IMG_0001", "clog_a", "boot_1", "clog_b"};
  WritePhotos(photos);
  WriteSketches({"clog", "boot_1"});
  ASSERT_THAT(Import("folder"), IsOk());
  const std::string lines = Read(Out("dataset.jsonl"));
  std::filesystem::remove_all(Out());
  Remove("photo");
  Remove("sketch");
  WriteSketches({"boot_1", "clog"});
  WritePhotos({photos.rbegin(), photos.rend()});
  ASSERT_THAT(Import("folder"), IsOk());
  EXPECT_EQ(Read(Out("dataset.jsonl")), lines);
}

TEST_F(ImportFolderTest, TestFractionIsAShareOfTheIdentities) {
  for (int i = 0; i < 30; ++i) WriteJpg("photo/" + std::to_string(i) + ".jpg");
  for (const auto& [fraction, expected] :
       {std::pair{"0", 0}, std::pair{"0.1", 3}, std::pair{"0.5", 15}, std::pair{"", 8}}) {
    options_.test_fraction = fraction;
    const auto summary = Import("folder");
    ASSERT_THAT(summary, IsOk());
    EXPECT_EQ(summary->test_identities, expected) << fraction;
    EXPECT_EQ(summary->train_identities, 30 - expected) << fraction;
    EXPECT_THAT(summary->split_reason, HasSubstr("--test-fraction")) << fraction;
    EXPECT_THAT(summary->split_reason, HasSubstr("unless its validation.fraction is 0"))
        << fraction;
    std::filesystem::remove_all(Out());
  }
}

TEST_F(ImportFolderTest, TestFractionThatIsNoneIsRefused) {
  WritePhotos({"1"});
  for (const char* wrong : {"1", "-0.1", "nan", "a quarter", "1e999"}) {
    options_.test_fraction = wrong;
    ExpectWrong("folder", "is not a number from 0 to below 1");
  }
}

TEST_F(ImportFolderTest, TestFractionOfAFolderWithASplitIsRefused) {
  options_.test_fraction = "0";
  WriteJpg("train/photo/1.jpg");
  ExpectWrong("folder", "has a split of its own");
}

TEST_F(ImportFolderTest, LongestNameOfAPhotoWins) {
  WritePhotos({"boot", "boot-red"});
  WriteSketches({"boot-red-1"});
  ASSERT_THAT(Import("folder"), IsOk());
  const DataSet data_set = Open();
  EXPECT_EQ(data_set.images()[2].identity, "boot-red");
}

TEST_F(ImportFolderTest, ViewsAreOneIdentityAndARemarkSaysSo) {
  WritePhotos({"boot_1", "boot_2", "clog_side", "clog_top"});
  EXPECT_THAT(Identities(), ElementsAre("boot", "clog"));
  EXPECT_THAT(remarks_, ElementsAre(AllOf(HasSubstr("4 photos"), HasSubstr("boot_1 and boot_2"),
                                          HasSubstr("of 2 identities; --identity-from stem"))));
}

TEST_F(ImportFolderTest, SketchOfAllViewsMakesThemOneIdentity) {
  WritePhotos({"7_000", "7_090", "8_000", "8_090"});
  WriteSketches({"7", "8_1"});
  EXPECT_THAT(Identities(), ElementsAre("7", "8"));
}

TEST_F(ImportFolderTest, SketchOfALostPhotoPutsNoOthersTogether) {
  WritePhotos({"IMG_0001", "IMG_0002"});
  WriteSketches({"IMG_0003"});
  ExpectWrong("folder", "sketch/IMG_0003.png: identity IMG_0003 has no photo");
}

TEST_F(ImportFolderTest, OnePrefixForAllPhotosIsNoIdentity) {
  WritePhotos({"shoe_blue", "shoe_red"});
  EXPECT_THAT(Identities(), ElementsAre("shoe_blue", "shoe_red"));
  EXPECT_THAT(remarks_, ElementsAre(HasSubstr("--identity-from prefix puts them together")));
}

TEST_F(ImportFolderTest, StemKeepsViewsApart) {
  options_.identity_from = "stem";
  WritePhotos({"boot_1", "boot_2", "clog_1"});
  EXPECT_THAT(Identities(), ElementsAre("boot_1", "boot_2", "clog_1"));
  EXPECT_THAT(remarks_, IsEmpty());
}

TEST_F(ImportFolderTest, PrefixPutsPicturesOfACameraTogether) {
  options_.identity_from = "prefix";
  WritePhotos({"IMG_0001", "IMG_0002"});
  EXPECT_THAT(Identities(), ElementsAre("IMG"));
}

TEST_F(ImportFolderTest, FolderRefusesFilesOutsideOfOne) {
  options_.identity_from = "folder";
  WritePhotos({"a/1", "b"});
  ExpectWrong("folder", "photo/b.jpg: is in no folder that names its identity");
}

TEST_F(ImportFolderTest, SketchMayBeNamedAfterAFolderOfPhotos) {
  WritePhotos({"red_boot/1", "red_boot/2", "clog"});
  WriteSketches({"red_boot", "red_boot_2"});
  EXPECT_THAT(Identities(), ElementsAre("clog", "red_boot"));
}

TEST_F(ImportFolderTest, UnknownRuleNamesTheKnown) {
  options_.identity_from = "name";
  WritePhotos({"1"});
  ExpectWrong("folder", "identities come from auto, stem, prefix, folder, not from \"name\"");
}

TEST_F(ImportFolderTest, PhotosAndSketchesAreCountedByIdentity) {
  WritePhotos({"boot_1", "boot_2", "clog"});
  WriteSketches({"clog", "clog_2"});
  const auto summary = Import("folder");
  ASSERT_THAT(summary, IsOk());
  EXPECT_EQ(summary->photo_identities, 2);
  EXPECT_EQ(summary->sketch_identities, 1);
}

TEST_F(ImportFolderTest, WhatSystemsLeaveBehindIsPassedOverAndCounted) {
  WritePhotos({"1", "2/a"});
  for (const char* path : {"photo/._1.jpg", "photo/.DS_Store", "photo/Thumbs.db",
                           "photo/Desktop.ini", "photo/__MACOSX/1.jpg", "photo/@eaDir/1.jpg",
                           "photo/.thumbnails/1.jpg", "photo/2/._a.jpg"}) {
    Write(path, "no image");
  }
  const auto summary = Import("folder");
  ASSERT_THAT(summary, IsOk());
  EXPECT_EQ(summary->photos, 2);
  EXPECT_EQ(summary->passed_over, 8);
}

TEST_F(ImportFolderTest, EveryFileThatIsNoImageIsNamed) {
  WritePhotos({"1"});
  Write("photo/empty.jpg", "");
  Write("photo/cut.jpg", Jpeg(1, 1, 3).substr(0, 100));
  Write("photo/notes.txt", "notes");
  Write("photo/IMG.HEIC", "....ftypheic");
  const std::string message(Import("folder").status().message());
  EXPECT_THAT(message, AllOf(HasSubstr("4 files cannot be imported:\n"),
                             HasSubstr("photo/empty.jpg: the image is empty"),
                             HasSubstr("photo/cut.jpg: "), HasSubstr("photo/IMG.HEIC: "),
                             HasSubstr("photo/notes.txt: expected a file ending in .jpg")));
}

TEST_F(ImportFolderTest, BadNamesAndBadImagesAreNamedTogether) {
  Write("photo/empty.jpg", "");
  WriteJpg("photo/caf\xe9.jpg");
  EXPECT_THAT(std::string(Import("folder").status().message()),
              AllOf(HasSubstr("photo/caf\\xe9.jpg: the name is not UTF-8"),
                    HasSubstr("photo/empty.jpg: the image is empty")));
}

TEST_F(ImportFolderTest, TenFilesAreNamedAndTheRestCounted) {
  for (char c = 'a'; c < 'n'; ++c) Write(std::string("photo/") + c + ".jpg", "");
  const std::string message(Import("folder").status().message());
  EXPECT_THAT(message, AllOf(HasSubstr("13 files"), HasSubstr("/j.jpg: "), Not(HasSubstr("/k.jpg")),
                             HasSubstr("\n  and 3 more")));
}

TEST_F(ImportFolderTest, LinkedFileIsFollowedAndItsBytesCopied) {
  WriteJpg("elsewhere/1.jpg");
  std::filesystem::create_directories(Root("photo"));
  std::filesystem::create_symlink(Root("elsewhere/1.jpg"), Root("photo/2.jpg"));
  ASSERT_THAT(Import("folder"), IsOk());
  EXPECT_FALSE(std::filesystem::is_symlink(Out("photo/2.jpg")));
  EXPECT_EQ(Read(Out("photo/2.jpg")), Jpeg(1, 1, 3));
}

TEST_F(ImportFolderTest, LoopOfFoldersIsNamedAndEnds) {
  WritePhotos({"1"});
  std::filesystem::create_directory_symlink(Root(), Root("photo/loop"));
  ExpectWrong("folder", "photo/loop/photo: is a folder where an image is expected");
}

TEST_F(ImportFolderTest, BrokenLinkIsNamed) {
  std::filesystem::create_directories(Root("photo"));
  std::filesystem::create_symlink(Root("gone.jpg"), Root("photo/2.jpg"));
  ExpectWrong("folder", "photo/2.jpg: open");
}

TEST_F(ImportFolderTest, SketchThatOnlyLooksLikeItsPhotoIsTold) {
  WritePhotos({"Caf\xc3\xa9"});
  WriteSketches({"cafe\xcc\x81"});
  ExpectWrong(
      "folder",
      "has no photo; photo Caf\xc3\xa9.jpg looks the same but is spelt with other characters");
}

TEST_F(ImportFolderTest, IdentitiesThatLookTheSameAreKeptApartAndTold) {
  WritePhotos({"a", "A", "b"});
  EXPECT_THAT(Identities(), ElementsAre("A", "a", "b"));
  EXPECT_THAT(remarks_, ElementsAre(HasSubstr("identities A and a look the same")));
}

TEST_F(ImportFolderTest, NamesThatAShellOrAUrlTakesApartAreKept) {
  WritePhotos({"a b", "a#b", "100%", "it's \"new\"", "a\\b", "-rf", "\xe9\x9e\x8b"});
  const std::set<std::string> identities = Identities();
  EXPECT_EQ(identities.size(), 7u);
  EXPECT_THAT(identities, Contains("a\\b"));
}

TEST_F(ImportFolderTest, IdentityIsTheNameUpToTheFirstUnderscore) {
  WriteJpg("train/photo/boot_front.jpg");
  WriteJpg("train/photo/boot_side.JPG");
  WritePng("train/sketch/boot.png");
  WritePng("test/photo/clog.png");
  const auto summary = Import("folder");
  ASSERT_THAT(summary, IsOk());
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
  ASSERT_THAT(summary, IsOk());
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
  ASSERT_THAT(summary, IsOk());
  EXPECT_EQ(summary->train_identities, 6);
  EXPECT_EQ(summary->test_identities, 2);
}

TEST_F(ImportFolderTest, SplitIsAFunctionOfTheSeed) {
  for (int i = 0; i < 40; ++i) WriteJpg("photo/" + std::to_string(i) + ".jpg");
  std::vector<std::set<std::string>> tests;
  for (const uint64_t seed : {7, 7, 8}) {
    options_.split_seed = seed;
    ASSERT_THAT(Import("folder"), IsOk());
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
  options_.identity_from = "prefix";
  WriteJpg("photo/_1.jpg");
  ExpectWrong("folder", "photo/_1.jpg: the name has no identity before the first _");
}

TEST_F(ImportFolderTest, FolderWithoutPhotosIsNotFoundAndSaysWhatThereIs) {
  WriteJpg("sketch/1.jpg");
  WriteJpg("pictures/1.jpg");
  ExpectMissing("folder",
                "photo: there is no such folder, but pictures, sketch; photos are expected");
}

TEST_F(ImportFolderTest, EmptyFolderHasNoImages) {
  std::filesystem::create_directories(Root("photo"));
  ExpectWrong("folder", "has no images");
}

}  // namespace
}  // namespace s2p::test
