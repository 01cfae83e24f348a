#include <filesystem>
#include <string>
#include <vector>

#include "tests/testing/status_matchers.h"
#include "tests/trainer/import/import_fixture.h"

namespace s2p::test {
namespace {

using testing::ElementsAre;

// Shoes 1, 2 and 10 to train on, 3 to test on.
class ImportQmulShoesTest : public ImportTest {
 protected:
  void SetUp() override {
    for (const char* number : {"1", "2", "10"}) WritePair("train", number);
    WritePair("test", "3");
  }
  void WritePair(const std::string& split, const std::string& number) {
    WriteJpg(split + "/images/" + number + ".jpg");
    WritePng(split + "/sketches/" + number + ".png");
  }
};

TEST_F(ImportQmulShoesTest, PairsAndTheirSplitsAreImported) {
  const auto summary = Import("qmul-shoes");
  ASSERT_THAT(summary, IsOk());
  EXPECT_EQ(summary->name, "qmul-shoes-v1");
  EXPECT_EQ(summary->photos, 4);
  EXPECT_EQ(summary->sketches, 4);
  EXPECT_EQ(summary->train_identities, 3);
  EXPECT_EQ(summary->test_identities, 1);
  const DataSet data_set = Open();
  EXPECT_THAT(IdentitiesOf(data_set, "train"), ElementsAre("1", "10", "2"));
  EXPECT_THAT(IdentitiesOf(data_set, "test"), ElementsAre("3"));
}

TEST_F(ImportQmulShoesTest, NumbersKeepTheirOwnOrder) {
  ASSERT_THAT(Import("qmul-shoes"), IsOk());
  const DataSet data_set = Open();
  std::vector<std::string> paths;
  for (const DataSetImage& image : data_set.images()) paths.push_back(image.path);
  EXPECT_THAT(paths, ElementsAre("photo/1.jpg", "sketch/1.png", "photo/2.jpg", "sketch/2.png",
                                 "photo/10.jpg", "sketch/10.png", "photo/3.jpg", "sketch/3.png"));
}

TEST_F(ImportQmulShoesTest, ImagesAreCopiedByteForByte) {
  ASSERT_THAT(Import("qmul-shoes"), IsOk());
  EXPECT_EQ(Read(Out("sketch/2.png")), Read(Root("train/sketches/2.png")));
}

TEST_F(ImportQmulShoesTest, SketchWithoutPhotoIsNamed) {
  Remove("train/images/2.jpg");
  ExpectWrong("qmul-shoes", "train/sketches/2.png: has no photo 2.jpg");
}

TEST_F(ImportQmulShoesTest, PhotoWithoutSketchIsNamed) {
  Remove("test/sketches/3.png");
  ExpectWrong("qmul-shoes", "test/images/3.jpg: has no sketch 3.png");
}

TEST_F(ImportQmulShoesTest, NameThatIsNoNumberIsNamed) {
  WriteJpg("train/images/one.jpg");
  ExpectWrong("qmul-shoes", "train/images/one.jpg: the name is not a number");
}

TEST_F(ImportQmulShoesTest, WrongEndingIsNamed) {
  WritePng("train/images/4.png");
  ExpectWrong("qmul-shoes", "train/images/4.png: expected a file ending in .jpg");
}

TEST_F(ImportQmulShoesTest, FileThatIsNoImageIsNamed) {
  Write("train/sketches/1.png", "<html>not found</html>");
  ExpectWrong("qmul-shoes", "train/sketches/1.png: ");
}

TEST_F(ImportQmulShoesTest, NumberInBothSplitsIsNamed) {
  WritePair("test", "2");
  ExpectWrong("qmul-shoes", "test/images/2.jpg: the number is in train and in test");
}

TEST_F(ImportQmulShoesTest, MissingFolderIsNotFound) {
  Remove("test/sketches");
  ExpectMissing("qmul-shoes", "test/sketches: there is no such folder");
}

TEST_F(ImportQmulShoesTest, LeftoversOfFileManagersArePassedOver) {
  Write("train/images/.DS_Store", "x");
  Write("train/images/Thumbs.db", "x");
  const auto summary = Import("qmul-shoes");
  ASSERT_THAT(summary, IsOk());
  EXPECT_EQ(summary->passed_over, 2);
}

TEST_F(ImportQmulShoesTest, EndingsMayBeInCapitals) {
  Rename("train/images/2.jpg", "train/images/2.JPG");
  Rename("train/sketches/2.png", "train/sketches/2.Png");
  ASSERT_THAT(Import("qmul-shoes"), IsOk());
  EXPECT_EQ(Read(Out("photo/2.jpg")), Jpeg(1, 1, 3));
}

class ImportFurtherSketchesTest : public ImportQmulShoesTest {
 protected:
  void SetUp() override {
    ImportQmulShoesTest::SetUp();
    WriteJpg("further/sketch/2-1.jpg");
    WriteJpg("further/sketch/2-2.jpg");
    WritePairs("2,1,photo/2.jpg,sketch/2-1.jpg\n2,2,photo/2.jpg,sketch/2-2.jpg\n");
    options_.further_sketches = Root("further");
  }
  void WritePairs(const std::string& rows) {
    Write("further/pairs.csv", "id,sketcher,photo,sketch\n" + rows);
  }
};

TEST_F(ImportFurtherSketchesTest, TheyAreOfTheirIdentityAndToTrainOn) {
  const auto summary = Import("qmul-shoes");
  ASSERT_THAT(summary, IsOk());
  EXPECT_EQ(summary->sketches, 6);
  const DataSet data_set = Open();
  int further = 0;
  for (const DataSetImage& image : data_set.images()) {
    if (image.path.find("further-") == std::string::npos) continue;
    ++further;
    EXPECT_EQ(image.identity, "2");
    EXPECT_EQ(image.split, "train");
    EXPECT_EQ(image.modality, v1::MODALITY_SKETCH);
  }
  EXPECT_EQ(further, 2);
}

TEST_F(ImportFurtherSketchesTest, SketchersWithTheSameFileNamesAreKeptApart) {
  WriteJpg("further/anna/2.jpg");
  WriteJpg("further/ben/2.jpg");
  WritePairs(
      "2,1,photo/2.jpg,anna/2.jpg\n2,2,photo/2.jpg,ben/2.jpg\n"
      "2,3,photo/2.jpg,sketch/2-1.jpg\n");
  const auto summary = Import("qmul-shoes");
  ASSERT_THAT(summary, IsOk());
  EXPECT_EQ(summary->sketches, 7);
  for (const char* copy : {"further/anna/2.jpg", "further/ben/2.jpg", "further-2-1.jpg"}) {
    EXPECT_TRUE(std::filesystem::exists(Out("sketch/") + copy)) << copy;
  }
}

TEST_F(ImportFurtherSketchesTest, ListThatWasWrittenOnWindowsIsRead) {
  Write("further/pairs.csv",
        "\xef\xbb\xbfID,sketcher,photo, Sketch\r\n2,1,photo\\2.jpg, sketch\\2-1.jpg \r\n");
  const auto summary = Import("qmul-shoes");
  ASSERT_THAT(summary, IsOk());
  EXPECT_EQ(summary->sketches, 5);
}

TEST_F(ImportFurtherSketchesTest, SketchOfATestPhotoIsRefused) {
  WritePairs("3,1,photo/3.jpg,sketch/2-1.jpg\n");
  ExpectWrong("qmul-shoes", "pairs.csv:2: there is no photo 3 to train on");
}

TEST_F(ImportFurtherSketchesTest, PathOutOfTheFolderIsRefused) {
  WritePairs("2,1,photo/2.jpg,../train/sketches/2.png\n");
  ExpectWrong("qmul-shoes", "pairs.csv:2: \"../train/sketches/2.png\" is not a path in the folder");
}

TEST_F(ImportFurtherSketchesTest, SketchThatIsThereTwiceIsNamed) {
  WritePairs("2,1,photo/2.jpg,sketch/2-1.jpg\n10,1,photo/10.jpg,sketch/2-1.jpg\n");
  ExpectWrong("qmul-shoes", "pairs.csv:3: the sketch is there twice");
}

TEST_F(ImportFurtherSketchesTest, MissingColumnShortRowAndMissingFileAreNamed) {
  Write("further/pairs.csv", "id,photo\n");
  ExpectWrong("qmul-shoes", "pairs.csv:1: has no column sketch");
  WritePairs("2,1\n");
  ExpectWrong("qmul-shoes", "pairs.csv:2: has too few columns");
  WritePairs("2,1,photo/2.jpg,sketch/2-9.jpg\n");
  ExpectWrong("qmul-shoes", "sketch/2-9.jpg");
  Remove("further/pairs.csv");
  ExpectMissing("qmul-shoes", "pairs.csv");
}

TEST_F(ImportFurtherSketchesTest, NameThatIsTooLongForItsCopyIsNamedBeforeAnythingIsCopied) {
  const std::string name = "sketch/" + std::string(247, 'x') + ".jpg";
  WriteJpg("further/" + name);
  WritePairs("2,1,photo/2.jpg," + name + "\n");
  ExpectWrong("qmul-shoes", "xxx.jpg: the copy's name would have 259 bytes; at most 255");
}

TEST_F(ImportFurtherSketchesTest, OtherFormatsTakeNone) {
  ExpectWrong("folder", "format folder takes no further sketches");
}

}  // namespace
}  // namespace s2p::test
