// Importers of photos with attributes: Market-1501, UT-Zap50K, CelebA.
#include <gmock/gmock.h>
#include <matio.h>

#include "absl/strings/str_join.h"
#include "tests/trainer/published_tree.h"
#include "trainer/colour_attributes.h"

namespace s2p::testing {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr const char* kMarketFields[] = {"gender",   "hair",    "up",  "down",  "clothes", "hat",
                                         "backpack", "handbag", "bag", "upred", "age"};

// market_attribute.mat with these ids; field(i) has the value (i + number of the field) % 2 + 1.
class Market1501Test : public PublishedTreeTest {
 protected:
  void SetUp() override {
    WriteMat({"0002", "0007"}, {"0001"}, {});
    Jpg("bounding_box_train/0002_c1s1_000451_03.jpg");
    Jpg("bounding_box_train/0002_c2s1_000501_01.jpg");
    Jpg("bounding_box_train/0007_c3s3_077419_03.jpg");
    Jpg("bounding_box_test/0001_c1s1_001051_00.jpg");
    Jpg("bounding_box_test/-1_c1s1_000401_03.jpg");
    Jpg("bounding_box_test/0000_c1s1_000151_01.jpg");
    Jpg("query/0001_c2s1_000301_00.jpg");
  }
  static matvar_t* Part(const std::vector<std::string>& ids, const std::string& left_out) {
    std::vector<const char*> names = {"image_index"};
    for (const char* field : kMarketFields) {
      if (field != left_out) names.push_back(field);
    }
    size_t one[2] = {1, 1};
    matvar_t* part =
        Mat_VarCreateStruct(nullptr, 2, one, names.data(), static_cast<unsigned>(names.size()));
    size_t row[2] = {1, ids.size()};
    matvar_t* cells = Mat_VarCreate(nullptr, MAT_C_CELL, MAT_T_CELL, 2, row, nullptr, 0);
    for (size_t i = 0; i < ids.size(); ++i) {
      size_t length[2] = {1, ids[i].size()};
      Mat_VarSetCell(cells, static_cast<int>(i),
                     Mat_VarCreate(nullptr, MAT_C_CHAR, MAT_T_UINT8, 2, length,
                                   const_cast<char*>(ids[i].data()), 0));
    }
    Mat_VarSetStructFieldByName(part, "image_index", 0, cells);
    for (size_t f = 1; f < names.size(); ++f) {
      std::vector<double> values;
      for (size_t i = 0; i < ids.size(); ++i) values.push_back((i + f) % 2 + 1);
      Mat_VarSetStructFieldByName(
          part, names[f], 0,
          Mat_VarCreate(nullptr, MAT_C_DOUBLE, MAT_T_DOUBLE, 2, row, values.data(), 0));
    }
    return part;
  }
  void WriteMat(const std::vector<std::string>& train, const std::vector<std::string>& test,
                const std::string& left_out) {
    std::filesystem::create_directories(Root());
    const std::string path = Root("market_attribute.mat");
    mat_t* file = Mat_CreateVer(path.c_str(), nullptr, MAT_FT_MAT5);
    ASSERT_NE(file, nullptr);
    const char* names[] = {"train", "test"};
    size_t one[2] = {1, 1};
    matvar_t* root = Mat_VarCreateStruct("market_attribute", 2, one, names, 2);
    Mat_VarSetStructFieldByName(root, "train", 0, Part(train, left_out));
    Mat_VarSetStructFieldByName(root, "test", 0, Part(test, left_out));
    EXPECT_EQ(Mat_VarWrite(file, root, MAT_COMPRESSION_NONE), 0);
    Mat_VarFree(root);
    Mat_Close(file);
  }
};

TEST_F(Market1501Test, PersonsHaveTheirEightAttributesAndDistractorsAreLeftOut) {
  const auto summary = Import("market-1501");
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->photos, 5);
  EXPECT_EQ(summary->left_out, 2);
  EXPECT_EQ(Identities("train"), (std::set<std::string>{"0002", "0007"}));
  EXPECT_EQ(Identities("test"), (std::set<std::string>{"0001"}));
  EXPECT_THAT(Imported().attributes(),
              ElementsAre("male", "short_hair", "long_sleeves", "long_lower_clothing", "dress",
                          "no_hat", "no_backpack", "no_bag"));
  // Fields are numbered from 1: an odd one has 2 first, which is 0; no_bag needs a 1 in both.
  EXPECT_EQ(Attributes("0002"), (std::map<std::string, float>{{"male", 0},
                                                              {"short_hair", 1},
                                                              {"long_sleeves", 0},
                                                              {"long_lower_clothing", 1},
                                                              {"dress", 0},
                                                              {"no_hat", 1},
                                                              {"no_backpack", 0},
                                                              {"no_bag", 0}}));
}

TEST_F(Market1501Test, PersonWithoutAttributesIsNamed) {
  Jpg("bounding_box_train/0009_c1s1_000001_00.jpg");
  EXPECT_THAT(Refusal("market-1501"),
              AllOf(HasSubstr("0009_c1s1_000001_00.jpg"), HasSubstr("identity 0009 is not in")));
}

TEST_F(Market1501Test, NameThatIsNotAsPublishedIsNamed) {
  Jpg("query/0001_c2s1_000301.jpg");
  EXPECT_THAT(Refusal("market-1501"), HasSubstr("0001_c2s1_000301.jpg: expected a name"));
}

TEST_F(Market1501Test, MatFileThatLacksAFieldOrHasAnIdTwiceIsNamed) {
  WriteMat({"0002", "0007"}, {"0001"}, "hat");
  EXPECT_THAT(Refusal("market-1501"), HasSubstr("market_attribute.mat: has no field hat"));
  WriteMat({"0002", "0002"}, {"0001"}, "");
  EXPECT_THAT(Refusal("market-1501"), HasSubstr("train.image_index has 0002 twice"));
  WriteMat({"0002", "7"}, {"0001"}, "");
  EXPECT_THAT(Refusal("market-1501"), HasSubstr("train.image_index{2} is not an id"));
}

// Every truncation, and every byte of the head turned: refused or read, never a crash.
TEST_F(Market1501Test, DamagedMatFilesAreRefusedOrReadWhole) {
  std::ifstream file(Root("market_attribute.mat"), std::ios::binary);
  const std::string whole{std::istreambuf_iterator<char>(file), {}};
  ASSERT_TRUE(Import("market-1501").ok());
  const auto want = Attributes("0002");
  int refused = 0;
  const auto try_bytes = [&](const std::string& bytes) {
    Write("market_attribute.mat", bytes);
    if (Import("market-1501").ok()) {
      // What was cut off or turned was nothing that is used, or a value of another kind.
      EXPECT_EQ(Attributes("0002").size(), want.size());
    } else {
      ++refused;
    }
  };
  for (size_t length = 0; length < whole.size(); length += 37) {
    try_bytes(whole.substr(0, length));
  }
  for (size_t at = 0; at < whole.size(); at += 7) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x5A);
    try_bytes(damaged);
  }
  EXPECT_GT(refused, 60);
}

class UtZap50kTest : public PublishedTreeTest {
 protected:
  void SetUp() override {
    std::vector<std::string> header = {"CID"};
    for (int i = 0; i < 151; ++i) {
      header.push_back(i < 4 ? absl::StrCat("Category.", i) : absl::StrCat("Column", i));
    }
    lines_ = {absl::StrJoin(header, ",")};
    for (const char* cid : {"100-1", "100-2", "100-3", "200-1"}) {
      std::vector<std::string> row(152, "0");
      row[0] = cid;
      row[1] = "1";    // column 0, kept
      row[6] = "1";    // column 5, not kept
      row[47] = "1";   // column 46, kept
      row[151] = "1";  // column 150, kept
      lines_.push_back(absl::StrJoin(row, ","));
    }
    WriteTable();
    for (const char* name : {"100.1", "100.2", "100.3", "200.1"}) Jpg(Path(name));
  }
  void WriteTable() {
    Write("ut-zap50k-data/meta-data-bin.csv", absl::StrJoin(lines_, "\n") + "\n");
  }
  static std::string Path(const std::string& name) {
    return "ut-zap50k-images-square/Shoes/Heels/A Brand%2E/" + name + ".jpg";
  }
  std::vector<std::string> lines_;
};

TEST_F(UtZap50kTest, ShoesWithThreeImagesHaveThirtyAttributes) {
  const auto summary = Import("ut-zap50k");
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->photos, 3);
  EXPECT_EQ(summary->left_out, 1);
  EXPECT_EQ(Identities("train"), (std::set<std::string>{"100"}));
  const auto attributes = Attributes("100");
  EXPECT_EQ(attributes.size(), 30u);
  EXPECT_EQ(attributes.at("Category.0"), 1);
  EXPECT_EQ(attributes.at("Category.1"), 0);
  EXPECT_EQ(attributes.at("Column46"), 1);
  EXPECT_EQ(attributes.at("Column150"), 1);
  EXPECT_EQ(attributes.count("Column5"), 0u);
}

TEST_F(UtZap50kTest, ImageThatTheTableDoesNotHaveAndTheOtherWayRoundAreNamed) {
  Jpg(Path("300.1"));
  EXPECT_THAT(Refusal("ut-zap50k"),
              AllOf(HasSubstr("300.1.jpg"), HasSubstr("CID 300-1 is not in")));
  Remove(Path("300.1"));
  Remove(Path("100.3"));
  EXPECT_THAT(Refusal("ut-zap50k"), HasSubstr("meta-data-bin.csv:4: CID 100-3 has no image"));
}

TEST_F(UtZap50kTest, LineWithAnotherValueOrNumberOfColumnsIsNamed) {
  lines_[2][lines_[2].size() - 1] = '7';
  WriteTable();
  EXPECT_THAT(Refusal("ut-zap50k"), HasSubstr("meta-data-bin.csv:3: column 152 is \"7\""));
  lines_[2] += ",0";
  WriteTable();
  EXPECT_THAT(Refusal("ut-zap50k"), HasSubstr("meta-data-bin.csv:3: has 153 columns"));
}

TEST_F(UtZap50kTest, FileAtAnotherDepthIsNamed) {
  Jpg("ut-zap50k-images-square/Shoes/100.9.jpg");
  EXPECT_THAT(Refusal("ut-zap50k"), HasSubstr("100.9.jpg: expected CATEGORY/SUBCATEGORY/BRAND"));
}

class CelebATest : public PublishedTreeTest {
 protected:
  void SetUp() override {
    names_ = {"5_o_Clock_Shadow", "Black_Hair", "Blond_Hair",  "Brown_Hair",
              "Gray_Hair",        "Pale_Skin",  "Rosy_Cheeks", "Smiling"};
    while (names_.size() < 40) names_.push_back(absl::StrCat("Attribute", names_.size()));
    WriteAttributes(3, 3);
    Write("Anno/identity_CelebA.txt", "000001.jpg 12\n000002.jpg 7\n000003.jpg 12\n");
    Write("Eval/list_eval_partition.txt", "000001.jpg 0\n000002.jpg 1\n000003.jpg 0\n");
    for (const char* name : {"000001", "000002", "000003"}) {
      Jpg(absl::StrCat("Img/img_align_celeba/", name, ".jpg"));
    }
  }
  // Everybody smiles and has nothing else.
  void WriteAttributes(int claimed, int lines) {
    std::string text = absl::StrCat(claimed, "\n", absl::StrJoin(names_, " "), "\n");
    for (int i = 1; i <= lines; ++i) {
      absl::StrAppend(&text, "00000", i, ".jpg");
      for (const std::string& name : names_) {
        absl::StrAppend(&text, name == "Smiling" ? "  1" : " -1");
      }
      text += '\n';
    }
    Write("Anno/list_attr_celeba.txt", text);
  }
  std::vector<std::string> names_;
};

TEST_F(CelebATest, FacesHaveTheirAttributesWithoutColours) {
  const auto summary = Import("celeba");
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->photos, 3);
  EXPECT_EQ(Identities("train"), (std::set<std::string>{"12"}));
  EXPECT_EQ(Identities("val"), (std::set<std::string>{"7"}));
  const auto attributes = Attributes("7");
  EXPECT_EQ(attributes.size(), 34u);
  EXPECT_EQ(attributes.at("Smiling"), 1);
  EXPECT_EQ(attributes.at("5_o_Clock_Shadow"), 0);
  for (const auto& [name, value] : attributes) EXPECT_FALSE(IsColourAttribute("celeba", name));
}

TEST_F(CelebATest, NumberOfImagesThatIsNotTheirsIsNamed) {
  WriteAttributes(4, 3);
  EXPECT_THAT(Refusal("celeba"), HasSubstr("list_attr_celeba.txt: has lines for 3 images"));
}

TEST_F(CelebATest, ImageThatIsMissingOrNotListedIsNamed) {
  Remove("Img/img_align_celeba/000002.jpg");
  EXPECT_THAT(Refusal("celeba"), HasSubstr("000002.jpg is listed but not in"));
  SetUp();
  Jpg("Img/img_align_celeba/000009.jpg");
  EXPECT_THAT(Refusal("celeba"), HasSubstr("000009.jpg: is not listed in"));
}

TEST_F(CelebATest, LinesThatAreWrongAreNamedByNumber) {
  Write("Eval/list_eval_partition.txt", "000001.jpg 0\n000002.jpg 3\n");
  EXPECT_THAT(Refusal("celeba"), HasSubstr("list_eval_partition.txt:2: expected"));
  SetUp();
  Write("Anno/identity_CelebA.txt", "000001.jpg 12\n000002.jpg 7\n");
  EXPECT_THAT(Refusal("celeba"), HasSubstr("identity_CelebA.txt: does not list 000003.jpg"));
}

TEST(ColourAttributesTest, ColoursAreThoseOfTheirDataSetOnly) {
  EXPECT_TRUE(IsColourAttribute("market-1501", "upred"));
  EXPECT_TRUE(IsColourAttribute("celeba", "Gray_Hair"));
  EXPECT_FALSE(IsColourAttribute("celeba", "upred"));
  EXPECT_FALSE(IsColourAttribute("market-1501", "gender"));
}

}  // namespace
}  // namespace s2p::testing
