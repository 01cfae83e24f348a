#include <string>
#include <vector>

#include "tests/trainer/import_fixture.h"

namespace s2p::testing {
namespace {

using ::testing::ElementsAre;

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
  ASSERT_TRUE(summary.ok()) << summary.status();
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
  ASSERT_TRUE(Import("qmul-shoes").ok());
  const DataSet data_set = Open();
  std::vector<std::string> paths;
  for (const DataSetImage& image : data_set.images()) paths.push_back(image.path);
  EXPECT_THAT(paths, ElementsAre("photo/1.jpg", "sketch/1.png", "photo/2.jpg", "sketch/2.png",
                                 "photo/10.jpg", "sketch/10.png", "photo/3.jpg", "sketch/3.png"));
}

TEST_F(ImportQmulShoesTest, ImagesAreCopiedByteForByte) {
  ASSERT_TRUE(Import("qmul-shoes").ok());
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
  EXPECT_TRUE(Import("qmul-shoes").ok());
}

}  // namespace
}  // namespace s2p::testing
