#include "tests/testing/status_matchers.h"
#include "tests/trainer/import/import_fixture.h"

namespace s2p::test {
namespace {

using testing::ElementsAre;

class ImportIiitdTest : public ImportTest {
 protected:
  void SetUp() override {
    for (const char* name : {"a", "b", "c"}) {
      WriteJpg(std::string("photo/") + name + ".jpg");
      WriteJpg(std::string("sketch/") + name + ".jpg");
    }
    WriteSplit("a,train\nb,val\nc,test\n");
  }
  void WriteSplit(const std::string& lines) {
    Write("../split.csv", lines);
    options_.split_file = dir_.File("split.csv");
  }
};

TEST_F(ImportIiitdTest, SplitFileDecides) {
  const auto summary = Import("iiitd");
  ASSERT_THAT(summary, IsOk());
  EXPECT_EQ(summary->photos, 3);
  EXPECT_EQ(summary->sketches, 3);
  EXPECT_EQ(summary->train_identities, 1);
  EXPECT_EQ(summary->val_identities, 1);
  EXPECT_EQ(summary->test_identities, 1);
  const DataSet data_set = Open();
  EXPECT_THAT(IdentitiesOf(data_set, "train"), ElementsAre("a"));
  EXPECT_THAT(IdentitiesOf(data_set, "val"), ElementsAre("b"));
  EXPECT_THAT(IdentitiesOf(data_set, "test"), ElementsAre("c"));
}

TEST_F(ImportIiitdTest, SplitFileMayHaveAHeader) {
  WriteSplit("identity,split\r\na,train\r\nb,train\r\nc,test\r\n");
  EXPECT_THAT(Import("iiitd"), IsOk());
}

TEST_F(ImportIiitdTest, SplitFileMayBeWrittenOnWindowsAndAsTheFilesAre) {
  Rename("photo/a.jpg", "photo/\xc3\x89va.JPG");
  Rename("sketch/a.jpg", "sketch/E\xcc\x81va.JPG");
  WriteSplit("\xef\xbb\xbf\r\nIdentity,Split\r\nE\xcc\x81va, Train\r\nB,val\r\nc,TEST\r\n");
  const auto summary = Import("iiitd");
  ASSERT_THAT(summary, IsOk());
  EXPECT_EQ(summary->train_identities, 1);
  EXPECT_EQ(summary->val_identities, 1);
}

TEST_F(ImportIiitdTest, LeftoversArePassedOverAndCounted) {
  Write("photo/.DS_Store", "x");
  Write("sketch/._a.jpg", "x");
  Write("photo/Photo.TXT", "names");
  const auto summary = Import("iiitd");
  ASSERT_THAT(summary, IsOk());
  EXPECT_EQ(summary->passed_over, 2);
}

TEST_F(ImportIiitdTest, PartsOfTheDatabaseAreOneDataSet) {
  Remove("photo");
  Remove("sketch");
  Write("FG-NET/photo/photo.txt", "001A43a\n");
  WriteJpg("FG-NET/photo/001A43a.JPG");
  WriteJpg("FG-NET/sketch/s001A43a.jpg");
  WriteJpg("LFW/photo/Sally_Ride_0001.jpg");
  WriteJpg("LFW/sketch/Sally_Ride_0001.jpg");
  WriteJpg("IIIT-D student and staff/photo/p7.jpg");
  WriteJpg("IIIT-D student and staff/sketch/s7.jpg");
  WriteSplit("001a43a,train\n7,test\nsally_ride_0001,train\n");
  const auto summary = Import("iiitd");
  ASSERT_THAT(summary, IsOk());
  EXPECT_THAT(IdentitiesOf(Open(), "train"), ElementsAre("001a43a", "sally_ride_0001"));
}

TEST_F(ImportIiitdTest, SplitFileIsRequired) {
  options_.split_file.clear();
  ExpectWrong("iiitd", "needs a split file");
}

TEST_F(ImportIiitdTest, MissingSplitFileIsNotFound) {
  options_.split_file = dir_.File("none.csv");
  ExpectMissing("iiitd", "none.csv");
}

TEST_F(ImportIiitdTest, IdentityListedTwiceIsNamedWithItsLine) {
  WriteSplit("a,train\nb,val\nc,test\na,test\n");
  ExpectWrong("iiitd", "split.csv:4: identity a is listed already in line 1");
}

TEST_F(ImportIiitdTest, IdentityWithoutImagesIsNamedWithItsLine) {
  WriteSplit("a,train\nb,val\nd,test\nc,test\n");
  ExpectWrong("iiitd", "split.csv:3: identity d has no images");
}

TEST_F(ImportIiitdTest, IdentityThatIsNotListedIsNamed) {
  WriteSplit("a,train\nc,test\n");
  ExpectWrong("iiitd", "split.csv: does not list identity b");
}

TEST_F(ImportIiitdTest, UnknownSplitIsNamedWithItsLine) {
  WriteSplit("a,train\nb,validation\nc,test\n");
  ExpectWrong("iiitd", "split.csv:2: split \"validation\" is not train, val or test");
}

TEST_F(ImportIiitdTest, LineWithThreeFieldsIsNamed) {
  WriteSplit("a,train\nb,val,1\nc,test\n");
  ExpectWrong("iiitd", "split.csv:2: has 3 fields");
}

TEST_F(ImportIiitdTest, PhotoWithoutSketchIsNamed) {
  Remove("sketch/b.jpg");
  ExpectWrong("iiitd", "photo/b.jpg: identity b has no sketch");
}

TEST_F(ImportIiitdTest, SketchWithoutPhotoIsNamed) {
  Remove("photo/b.jpg");
  ExpectWrong("iiitd", "sketch/b.jpg: identity b has no photo");
}

TEST_F(ImportIiitdTest, TwoPhotosOfAnIdentityAreNamed) {
  WritePng("photo/b.png");
  ExpectWrong("iiitd", "photo/b.png: identity b has also");
}

TEST_F(ImportIiitdTest, MissingFolderIsNotFound) {
  Remove("sketch");
  ExpectMissing("iiitd", "sketch: there is no such folder");
}

}  // namespace
}  // namespace s2p::test
