#include "tests/testing/status_matchers.h"
#include "tests/trainer/import/import_fixture.h"
#include "tests/trainer/import/market_mat.h"

namespace s2p::test {
namespace {

using testing::ElementsAre;

// Train identities 2 and 7, test identity 1; all fields are 1 unless a test sets them.
class ImportMarket1501Test : public ImportTest {
 protected:
  void SetUp() override {
    WriteJpg("bounding_box_train/0002_c1s1_000451_03.jpg");
    WriteJpg("bounding_box_train/0002_c2s1_000301_01.jpg");
    WriteJpg("bounding_box_train/0007_c3s3_077419_03.jpg");
    WriteJpg("bounding_box_test/0001_c1s1_001051_03.jpg");
    WriteJpg("bounding_box_test/0000_c1s1_000151_01.jpg");
    WriteJpg("bounding_box_test/-1_c1s1_000401_03.jpg");
    Write("bounding_box_test/Thumbs.db", "x");
    WriteJpg("query/0001_c2s1_000301_00.jpg");
    WriteMat();
  }
  void WriteMat() { WriteMarketMat(Root("market_attribute.mat"), mat_); }

  MarketMat mat_ = MarketMat({"0002", "0007"}, {"0001"});
};

TEST_F(ImportMarket1501Test, PersonsAreImported) {
  const auto summary = Import("market-1501");
  ASSERT_THAT(summary, IsOk());
  EXPECT_EQ(summary->photos, 5);
  EXPECT_EQ(summary->sketches, 0);
  EXPECT_EQ(summary->left_out, 2);
  EXPECT_EQ(summary->attributes, 8);
  const DataSet data_set = Open();
  EXPECT_THAT(IdentitiesOf(data_set, "train"), ElementsAre("0002", "0007"));
  EXPECT_THAT(IdentitiesOf(data_set, "test"), ElementsAre("0001"));
}

TEST_F(ImportMarket1501Test, AttributesAreThoseOfTheAuthorsOfIhda) {
  ASSERT_THAT(Import("market-1501"), IsOk());
  EXPECT_THAT(Open().attributes(),
              ElementsAre("male", "short_hair", "long_sleeves", "long_lower_clothing", "dress",
                          "no_hat", "no_backpack", "no_bag"));
}

TEST_F(ImportMarket1501Test, ThoseOfThePaperHaveAFormatOfTheirOwn) {
  mat_.train.fields["age"] = {4, 1};
  WriteMat();
  ASSERT_THAT(Import("market-1501-paper"), IsOk());
  const DataSet data_set = Open();
  EXPECT_THAT(data_set.attributes(),
              ElementsAre("male", "short_hair", "long_sleeves", "long_lower_clothing", "dress",
                          "no_hat", "adult", "bag"));
  const auto values = AttributesOf(data_set, "photo/bounding_box_train/0002_c2s1_000301_01.jpg");
  EXPECT_EQ(values.at("adult"), 1);
  EXPECT_EQ(values.at("bag"), 0);
}

TEST_F(ImportMarket1501Test, OneIsOneAndTwoIsZero) {
  mat_.train.fields["gender"] = {2, 1};
  mat_.train.fields["hat"] = {1, 2};
  WriteMat();
  ASSERT_THAT(Import("market-1501"), IsOk());
  const DataSet data_set = Open();
  auto values = AttributesOf(data_set, "photo/bounding_box_train/0002_c2s1_000301_01.jpg");
  EXPECT_EQ(values["male"], 0);
  EXPECT_EQ(values["no_hat"], 1);
  values = AttributesOf(data_set, "photo/bounding_box_train/0007_c3s3_077419_03.jpg");
  EXPECT_EQ(values["male"], 1);
  EXPECT_EQ(values["no_hat"], 0);
}

TEST_F(ImportMarket1501Test, BagAndHandbagAreOneAttribute) {
  mat_.train.fields["bag"] = {2, 1};
  mat_.train.fields["handbag"] = {1, 1};
  WriteMat();
  ASSERT_THAT(Import("market-1501"), IsOk());
  const DataSet data_set = Open();
  EXPECT_EQ(AttributesOf(data_set, "photo/bounding_box_train/0002_c1s1_000451_03.jpg")["no_bag"],
            0);
  EXPECT_EQ(AttributesOf(data_set, "photo/bounding_box_train/0007_c3s3_077419_03.jpg")["no_bag"],
            1);
}

TEST_F(ImportMarket1501Test, AttributeFileMayLieInItsOwnFolder) {
  Rename("market_attribute.mat", "attribute/market_attribute.mat");
  EXPECT_THAT(Import("market-1501"), IsOk());
}

TEST_F(ImportMarket1501Test, NameOfAnotherFormIsNamed) {
  WriteJpg("bounding_box_train/0002_c1_000451_03.jpg");
  ExpectWrong("market-1501", "0002_c1_000451_03.jpg: expected a name ID_cCsS_FRAME_BOX.jpg");
}

TEST_F(ImportMarket1501Test, IdentityWithoutAttributesIsNamed) {
  WriteJpg("bounding_box_train/0010_c1s1_000451_03.jpg");
  ExpectWrong("market-1501",
              "0010_c1s1_000451_03.jpg: identity 0010 is not in market_attribute.mat's train");
}

TEST_F(ImportMarket1501Test, MissingFolderIsNotFound) {
  Remove("query");
  ExpectMissing("market-1501", "query: there is no such folder");
}

TEST_F(ImportMarket1501Test, MissingAttributeFileIsNotFound) {
  Remove("market_attribute.mat");
  ExpectMissing("market-1501", "market_attribute.mat: there is no such file");
}

}  // namespace
}  // namespace s2p::test
