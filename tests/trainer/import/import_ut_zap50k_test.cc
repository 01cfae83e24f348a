#include <set>
#include <string>
#include <vector>

#include "tests/testing/status_matchers.h"
#include "tests/trainer/import/import_fixture.h"

namespace s2p::test {
namespace {

using testing::ElementsAre;

constexpr char kCsv[] = "ut-zap50k-data/meta-data-bin.csv";
constexpr int kColumns = 151;

// CID and 151 columns, of which the first four are the categories.
std::string Header() {
  std::string header = "CID,Category.Shoes,Category.Boots,Category.Sandals,Category.Slippers";
  for (int i = 4; i < kColumns; ++i) header += ",Column." + std::to_string(i);
  return header + "\n";
}

// A row of 0 with a 1 in some columns, counted from 0 without CID.
std::string Row(const std::string& cid, const std::set<int>& ones) {
  std::string row = cid;
  for (int i = 0; i < kColumns; ++i) row += ones.count(i) > 0 ? ",1" : ",0";
  return row + "\n";
}

// Shoe 100627 in three colours, shoe 100657 in one.
class ImportUtZap50kTest : public ImportTest {
 protected:
  void SetUp() override {
    Write(kCsv, Header() + Row("100627-72", {0, 4, 46, 64}) + Row("100627-255", {0, 45, 65}) +
                    Row("100627-3", {1, 143, 144, 150}) + Row("100657-72", {0}));
    for (const char* name : {"100627.72", "100627.255", "100627.3"}) {
      WriteJpg("ut-zap50k-images-square/Shoes/Oxfords/Bostonian/" + std::string(name) + ".jpg");
    }
    WriteJpg("ut-zap50k-images-square/Shoes/Loafers/Neil M%2E/100657.72.jpg");
  }
};

TEST_F(ImportUtZap50kTest, ShoesWithThreeImagesAreImported) {
  const auto summary = Import("ut-zap50k");
  ASSERT_THAT(summary, IsOk());
  EXPECT_EQ(summary->photos, 3);
  EXPECT_EQ(summary->left_out, 1);
  EXPECT_EQ(summary->train_identities, 1);
  EXPECT_EQ(summary->test_identities, 0);
  EXPECT_THAT(IdentitiesOf(Open(), "train"), ElementsAre("100627"));
}

TEST_F(ImportUtZap50kTest, ThirtyColumnsAreAttributes) {
  ASSERT_THAT(Import("ut-zap50k"), IsOk());
  const DataSet data_set = Open();
  std::vector<std::string> expected = {"Category.Shoes", "Category.Boots", "Category.Sandals",
                                       "Category.Slippers"};
  for (int i = 46; i < 65; ++i) expected.push_back("Column." + std::to_string(i));
  for (int i = 144; i < 151; ++i) expected.push_back("Column." + std::to_string(i));
  EXPECT_EQ(expected.size(), 30u);
  EXPECT_EQ(data_set.attributes(), expected);
}

TEST_F(ImportUtZap50kTest, ValuesBelongToTheirAttribute) {
  ASSERT_THAT(Import("ut-zap50k"), IsOk());
  const DataSet data_set = Open();
  const auto ones = [&](const std::string& path) {
    std::vector<std::string> names;
    for (const auto& [name, value] : AttributesOf(data_set, path)) {
      if (value == 1) names.push_back(name);
    }
    return names;
  };
  EXPECT_THAT(ones("photo/100627/100627.72.jpg"),
              ElementsAre("Category.Shoes", "Column.46", "Column.64"));
  EXPECT_THAT(ones("photo/100627/100627.255.jpg"), ElementsAre("Category.Shoes"));
  EXPECT_THAT(ones("photo/100627/100627.3.jpg"),
              ElementsAre("Category.Boots", "Column.144", "Column.150"));
}

TEST_F(ImportUtZap50kTest, TheOtherArchiveOfImagesIsTakenToo) {
  Rename("ut-zap50k-images-square", "ut-zap50k-images");
  EXPECT_THAT(Import("ut-zap50k"), IsOk());
}

TEST_F(ImportUtZap50kTest, TooFewColumnsAreNamed) {
  Replace(kCsv, ",Column.150\n", "\n");
  ExpectWrong("ut-zap50k", "meta-data-bin.csv:1: has 151 columns beginning with CID");
}

TEST_F(ImportUtZap50kTest, TableOfWordsIsNotTheBinaryOne) {
  Write(kCsv, "CID,Category,SubCategory,HeelHeight,Insole,Closure,Gender,Material,ToeStyle\n");
  ExpectWrong("ut-zap50k", "meta-data-bin.csv:1: has 9 columns");
}

TEST_F(ImportUtZap50kTest, OtherFirstColumnsAreNamed) {
  Replace(kCsv, "Category.Boots", "Boots");
  ExpectWrong("ut-zap50k", "meta-data-bin.csv:1: column 3 is Boots");
}

TEST_F(ImportUtZap50kTest, ColumnThatIsThereTwiceIsNamed) {
  Replace(kCsv, "Column.50,", "Column.51,");
  ExpectWrong("ut-zap50k", "meta-data-bin.csv:1: column 52 has no name of its own");
}

TEST_F(ImportUtZap50kTest, ValueThatIsNoneIsNamedWithItsLine) {
  Replace(kCsv, "100627-255,1", "100627-255,2");
  ExpectWrong("ut-zap50k", "meta-data-bin.csv:3: column 2 is \"2\", expected 0 or 1");
}

TEST_F(ImportUtZap50kTest, ShortRowIsNamedWithItsLine) {
  Replace(kCsv, "100627-255,1,", "100627-255,");
  ExpectWrong("ut-zap50k", "meta-data-bin.csv:3: has 151 columns, expected 152");
}

TEST_F(ImportUtZap50kTest, CidOfAnotherFormIsNamed) {
  Replace(kCsv, "100627-255", "100627.255");
  ExpectWrong("ut-zap50k", "meta-data-bin.csv:3: CID \"100627.255\" is not as 100627-72");
}

TEST_F(ImportUtZap50kTest, CidListedTwiceIsNamed) {
  Replace(kCsv, "100627-255", "100627-72");
  ExpectWrong("ut-zap50k", "meta-data-bin.csv:3: CID 100627-72 is listed already in line 2");
}

TEST_F(ImportUtZap50kTest, RowWithoutImageIsNamed) {
  Remove("ut-zap50k-images-square/Shoes/Oxfords/Bostonian/100627.255.jpg");
  ExpectWrong("ut-zap50k", "meta-data-bin.csv:3: CID 100627-255 has no image below");
}

TEST_F(ImportUtZap50kTest, ImageWithoutRowIsNamed) {
  WriteJpg("ut-zap50k-images-square/Boots/Ankle/Frye/1.2.jpg");
  ExpectWrong("ut-zap50k", "Boots/Ankle/Frye/1.2.jpg: CID 1-2 is not in");
}

TEST_F(ImportUtZap50kTest, ImageThatIsThereTwiceIsNamed) {
  WriteJpg("ut-zap50k-images-square/Boots/Ankle/Frye/100627.72.jpg");
  ExpectWrong("ut-zap50k", "Oxfords/Bostonian/100627.72.jpg: is there already as");
}

TEST_F(ImportUtZap50kTest, ImageWithAnotherNameIsNamed) {
  WriteJpg("ut-zap50k-images-square/Boots/Ankle/Frye/boot.jpg");
  ExpectWrong("ut-zap50k", "Frye/boot.jpg: expected a name SHOE.COLOUR.jpg");
}

TEST_F(ImportUtZap50kTest, ImageInAnotherPlaceIsNamed) {
  WriteJpg("ut-zap50k-images-square/Boots/1.2.jpg");
  ExpectWrong("ut-zap50k", "Boots/1.2.jpg: expected CATEGORY/SUBCATEGORY/BRAND");
}

TEST_F(ImportUtZap50kTest, MissingTableIsNotFound) {
  Remove(kCsv);
  ExpectMissing("ut-zap50k", "meta-data-bin.csv");
}

TEST_F(ImportUtZap50kTest, MissingImagesAreNotFound) {
  Remove("ut-zap50k-images-square");
  ExpectMissing("ut-zap50k", "ut-zap50k-images-square: there is no such folder");
}

}  // namespace
}  // namespace s2p::test
