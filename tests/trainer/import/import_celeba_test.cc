#include <string>
#include <vector>

#include "tests/testing/status_matchers.h"
#include "tests/trainer/import/import_fixture.h"

namespace s2p::test {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::Not;

// The names as published, in their order.
constexpr char kNames[] =
    "5_o_Clock_Shadow Arched_Eyebrows Attractive Bags_Under_Eyes Bald Bangs Big_Lips Big_Nose "
    "Black_Hair Blond_Hair Blurry Brown_Hair Bushy_Eyebrows Chubby Double_Chin Eyeglasses Goatee "
    "Gray_Hair Heavy_Makeup High_Cheekbones Male Mouth_Slightly_Open Mustache Narrow_Eyes No_Beard "
    "Oval_Face Pale_Skin Pointy_Nose Receding_Hairline Rosy_Cheeks Sideburns Smiling Straight_Hair "
    "Wavy_Hair Wearing_Earrings Wearing_Hat Wearing_Lipstick Wearing_Necklace Wearing_Necktie "
    "Young ";
constexpr char kAttributes[] = "Anno/list_attr_celeba.txt";

// A line of -1 but for the last attribute, in the columns of the published file.
std::string Row(const std::string& file) {
  std::string row = file;
  for (int i = 0; i < 39; ++i) row += " -1";
  return row + "  1\n";
}

class ImportCelebATest : public ImportTest {
 protected:
  void SetUp() override {
    std::string rows;
    for (const char* file : {"000001.jpg", "000002.jpg", "000003.jpg", "000004.jpg"}) {
      WriteJpg(std::string("Img/img_align_celeba/") + file);
      rows += Row(file);
    }
    Write(kAttributes, "4\n" + std::string(kNames) + "\n" + rows);
    Write("Anno/identity_CelebA.txt",
          "000001.jpg 2880\n000002.jpg 2937\n000003.jpg 8692\n000004.jpg 2880\n");
    Write("Eval/list_eval_partition.txt",
          "000001.jpg 0\n000002.jpg 1\n000003.jpg 2\n000004.jpg 0\n");
  }
};

TEST_F(ImportCelebATest, FacesIdentitiesAndPartitionsAreImported) {
  const auto summary = Import("celeba");
  ASSERT_THAT(summary, IsOk());
  EXPECT_EQ(summary->photos, 4);
  EXPECT_EQ(summary->sketches, 0);
  EXPECT_EQ(summary->attributes, 34);
  const DataSet data_set = Open();
  EXPECT_THAT(IdentitiesOf(data_set, "train"), ElementsAre("2880"));
  EXPECT_THAT(IdentitiesOf(data_set, "val"), ElementsAre("2937"));
  EXPECT_THAT(IdentitiesOf(data_set, "test"), ElementsAre("8692"));
}

TEST_F(ImportCelebATest, ValuesBelongToTheirAttribute) {
  // The third value of the second image: Attractive.
  Replace(kAttributes, "000002.jpg -1 -1 -1", "000002.jpg -1 -1  1");
  ASSERT_THAT(Import("celeba"), IsOk());
  const auto values = AttributesOf(Open(), "photo/000002.jpg");
  ASSERT_EQ(values.size(), 34u);
  for (const auto& [name, value] : values) {
    EXPECT_EQ(value, name == "Attractive" || name == "Young" ? 1 : 0) << name;
  }
}

TEST_F(ImportCelebATest, EndingsMayBeInCapitals) {
  Rename("Img/img_align_celeba/000002.jpg", "Img/img_align_celeba/000002.JPG");
  Write("Eval/list_eval_partition.txt",
        "000001.JPG 0\r\n000002.jpg 1\r\n000003.jpg 2\r\n000004.jpg 0\r\n");
  Write("Img/img_align_celeba/Thumbs.db", "x");
  const auto summary = Import("celeba");
  ASSERT_THAT(summary, IsOk());
  EXPECT_EQ(summary->passed_over, 1);
  EXPECT_EQ(Read(Out("photo/000002.jpg")), Jpeg(1, 1, 3));
}

TEST_F(ImportCelebATest, ImageThatIsThereInBothCasesIsNamed) {
  WriteJpg("Img/img_align_celeba/000002.JPG");
  ExpectWrong("celeba", "000002.jpg: the number is there twice");
}

TEST_F(ImportCelebATest, ColoursAreLeftOut) {
  ASSERT_THAT(Import("celeba"), IsOk());
  const std::vector<std::string> names = Open().attributes();
  for (const char* colour :
       {"Black_Hair", "Blond_Hair", "Brown_Hair", "Gray_Hair", "Pale_Skin", "Rosy_Cheeks"}) {
    EXPECT_THAT(names, Not(Contains(colour)));
  }
}

TEST_F(ImportCelebATest, OneFolderForAllIsTakenToo) {
  Rename("Img/img_align_celeba", "img_align_celeba");
  Rename(kAttributes, "list_attr_celeba.txt");
  Rename("Anno/identity_CelebA.txt", "identity_CelebA.txt");
  Rename("Eval/list_eval_partition.txt", "list_eval_partition.txt");
  const auto summary = Import("celeba");
  ASSERT_THAT(summary, IsOk());
  EXPECT_EQ(summary->photos, 4);
}

TEST_F(ImportCelebATest, CountThatIsNoNumberIsNamed) {
  Replace(kAttributes, "4\n", "four\n");
  ExpectWrong("celeba", "list_attr_celeba.txt: the first line is not the number of images");
}

TEST_F(ImportCelebATest, CountIsChecked) {
  Replace(kAttributes, "4\n", "5\n");
  ExpectWrong("celeba", "list_attr_celeba.txt: has lines for 4 images, but its first line says 5");
}

TEST_F(ImportCelebATest, MissingNameIsNamedWithItsLine) {
  Replace(kAttributes, "Smiling ", "");
  ExpectWrong("celeba", "list_attr_celeba.txt:2: has 39 words");
}

TEST_F(ImportCelebATest, NameThatIsThereTwiceIsNamed) {
  Replace(kAttributes, "Smiling", "Young");
  ExpectWrong("celeba", "list_attr_celeba.txt:2: attribute Young is named twice");
}

TEST_F(ImportCelebATest, ValueThatIsNoneIsNamedWithItsLine) {
  Replace(kAttributes, "000003.jpg -1 -1", "000003.jpg -1  0");
  ExpectWrong("celeba", "list_attr_celeba.txt:5: value 2 is \"0\", not 1 or -1");
}

TEST_F(ImportCelebATest, ShortLineIsNamed) {
  Replace(kAttributes, "000003.jpg -1", "000003.jpg");
  ExpectWrong("celeba", "list_attr_celeba.txt:5: expected NNNNNN.jpg and 40 times 1 or -1");
}

TEST_F(ImportCelebATest, ImageListedTwiceIsNamed) {
  Replace(kAttributes, "000003.jpg", "000002.jpg");
  ExpectWrong("celeba", "list_attr_celeba.txt: 000002.jpg is listed twice");
}

TEST_F(ImportCelebATest, MissingImageIsNamed) {
  Remove("Img/img_align_celeba/000003.jpg");
  ExpectWrong("celeba", "list_attr_celeba.txt: 000003.jpg is listed but not in");
}

TEST_F(ImportCelebATest, ImageThatIsNotListedIsNamed) {
  WriteJpg("Img/img_align_celeba/000009.jpg");
  ExpectWrong("celeba", "000009.jpg: is not listed in");
}

TEST_F(ImportCelebATest, IdentityThatIsNoNumberIsNamedWithItsLine) {
  Replace("Anno/identity_CelebA.txt", "2937", "x2937");
  ExpectWrong("celeba", "identity_CelebA.txt:2: expected NNNNNN.jpg and the number");
}

TEST_F(ImportCelebATest, ImageWithoutIdentityIsNamed) {
  Replace("Anno/identity_CelebA.txt", "000002.jpg 2937\n", "");
  ExpectWrong("celeba", "identity_CelebA.txt: does not list 000002.jpg");
}

TEST_F(ImportCelebATest, ImageWithTwoIdentitiesIsNamed) {
  Replace("Anno/identity_CelebA.txt", "000002.jpg 2937\n", "000001.jpg 2937\n");
  ExpectWrong("celeba", "identity_CelebA.txt:2: 000001.jpg is listed twice");
}

TEST_F(ImportCelebATest, UnknownPartitionIsNamedWithItsLine) {
  Replace("Eval/list_eval_partition.txt", "000003.jpg 2", "000003.jpg 3");
  ExpectWrong("celeba", "list_eval_partition.txt:3: expected NNNNNN.jpg and 0, 1 or 2");
}

TEST_F(ImportCelebATest, IdentityInTwoPartitionsIsNamed) {
  Replace("Eval/list_eval_partition.txt", "000004.jpg 0", "000004.jpg 2");
  ExpectWrong("celeba", "000004.jpg: identity 2880 is in train and in test");
}

TEST_F(ImportCelebATest, MissingFileIsNotFound) {
  Remove("Eval/list_eval_partition.txt");
  ExpectMissing("celeba", "list_eval_partition.txt");
}

TEST_F(ImportCelebATest, MissingFolderIsNotFound) {
  Remove("Img");
  ExpectMissing("celeba", "Img/img_align_celeba: there is no such folder");
}

}  // namespace
}  // namespace s2p::test
