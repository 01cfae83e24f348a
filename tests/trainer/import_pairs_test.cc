// Importers of data sets with sketches: QMUL-Shoes, PKU-Sketch, IIIT-D, folders.
#include <gmock/gmock.h>

#include "absl/strings/str_join.h"
#include "tests/trainer/published_tree.h"

namespace s2p::testing {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class QmulShoesTest : public PublishedTreeTest {
 protected:
  void SetUp() override {
    for (const char* stem : {"train/1", "train/10", "train/2", "test/3"}) {
      const std::string split = std::string(stem).substr(0, std::string(stem).find('/'));
      const std::string number = std::string(stem).substr(split.size() + 1);
      Jpg(split + "/images/" + number + ".jpg");
      PngFile(split + "/sketches/" + number + ".png");
    }
  }
};

TEST_F(QmulShoesTest, PairsAreImportedWithTheirSplitInTheOrderOfTheirNumbers) {
  const auto summary = Import("qmul-shoes");
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->photos, 4);
  EXPECT_EQ(summary->sketches, 4);
  EXPECT_EQ(Identities("train"), (std::set<std::string>{"1", "2", "10"}));
  EXPECT_EQ(Identities("test"), (std::set<std::string>{"3"}));
  EXPECT_EQ(Imported().images()[2].path, "photo/2.jpg");
}

TEST_F(QmulShoesTest, PhotoWithoutSketchAndTheOtherWayRoundAreNamed) {
  Remove("train/sketches/10.png");
  EXPECT_THAT(Refusal("qmul-shoes"), HasSubstr("train/images/10.jpg: has no sketch 10.png"));
  SetUp();
  Remove("test/images/3.jpg");
  EXPECT_THAT(Refusal("qmul-shoes"), HasSubstr("test/sketches/3.png: has no photo 3.jpg"));
}

TEST_F(QmulShoesTest, NumberInBothSplitsIsNamed) {
  Jpg("test/images/2.jpg");
  PngFile("test/sketches/2.png");
  EXPECT_THAT(Refusal("qmul-shoes"), HasSubstr("test/images/2.jpg: the number is in train and"));
}

TEST_F(QmulShoesTest, FileThatIsNoImageIsNamed) {
  Write("train/images/2.jpg", "no picture");
  EXPECT_THAT(Refusal("qmul-shoes"), HasSubstr("train/images/2.jpg: "));
}

TEST_F(QmulShoesTest, MissingFolderIsNotFound) {
  std::filesystem::remove_all(Root("test"));
  const auto summary = Import("qmul-shoes");
  EXPECT_EQ(summary.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(summary.status().message()), HasSubstr("test/images"));
}

TEST_F(QmulShoesTest, OutputWithContentIsRefusedAndKept) {
  std::filesystem::create_directories(Out());
  std::ofstream(Out() + "/mine") << "x";
  const auto summary = ImportDataset({"qmul-shoes", Root(), Out()});
  EXPECT_EQ(summary.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(std::filesystem::exists(Out() + "/mine"));
}

TEST_F(QmulShoesTest, UnknownFormatListsTheKnownOnes) {
  EXPECT_THAT(Refusal("zip"),
              AllOf(HasSubstr("zip"), HasSubstr("pku-sketch"), HasSubstr("celeba")));
}

// 200 persons in five styles of the published sizes.
class PkuSketchTest : public PublishedTreeTest {
 protected:
  void SetUp() override {
    const std::pair<char, int> styles[] = {{'a', 46}, {'b', 20}, {'c', 79}, {'d', 33}, {'e', 22}};
    int id = 1;
    for (const auto& [style, count] : styles) {
      std::string lines;
      for (int i = 0; i < count; ++i, ++id) {
        absl::StrAppend(&lines, id, "\r\n");
        Jpg(absl::StrCat("sketch/", id, ".jpg"));
        Jpg(absl::StrCat("photo/", id, "_01_100.jpg"));
        Jpg(absl::StrCat("photo/", id, "_07_2.jpg"));
      }
      Write(StyleFile(style, count), lines);
    }
  }
  static std::string StyleFile(char style, int count) {
    return absl::StrCat("styleAnnotation/", std::string(1, style), "_", count, ".txt");
  }
  std::string Note() const {
    std::ifstream file(Out() + "/split.json");
    return {std::istreambuf_iterator<char>(file), {}};
  }
};

TEST_F(PkuSketchTest, HundredAndFiftyPersonsAreToTrainAndFiftyToTestOn) {
  const auto summary = Import("pku-sketch");
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->photos, 400);
  EXPECT_EQ(summary->sketches, 200);
  EXPECT_EQ(Identities("train").size(), 150u);
  EXPECT_EQ(Identities("test").size(), 50u);
}

TEST_F(PkuSketchTest, EachStyleGivesItsNumberToTraining) {
  ASSERT_TRUE(Import("pku-sketch", 3).ok());
  const std::set<std::string> train = Identities("train");
  const std::vector<std::pair<int, int>> ids = {
      {1, 46}, {47, 66}, {67, 145}, {146, 178}, {179, 200}};
  std::vector<int> counts;
  for (const auto& [first, last] : ids) {
    int count = 0;
    for (int id = first; id <= last; ++id) count += static_cast<int>(train.count(absl::StrCat(id)));
    counts.push_back(count);
  }
  EXPECT_THAT(counts, ElementsAre(34, 15, 60, 25, 16));
}

TEST_F(PkuSketchTest, SplitIsAFunctionOfTheSeedAndWrittenDown) {
  ASSERT_TRUE(Import("pku-sketch", 4).ok());
  const std::set<std::string> first = Identities("test");
  const std::string note = Note();
  EXPECT_THAT(note, AllOf(HasSubstr("\"seed\": \"4\""), HasSubstr("\"a\": {")));
  for (const std::string& id : first) EXPECT_THAT(note, HasSubstr(id));
  ASSERT_TRUE(Import("pku-sketch", 4).ok());
  EXPECT_EQ(Identities("test"), first);
  EXPECT_EQ(Note(), note);
  ASSERT_TRUE(Import("pku-sketch", 5).ok());
  EXPECT_NE(Identities("test"), first);
}

TEST_F(PkuSketchTest, TenSeedsGiveTenSplits) {
  std::set<std::string> splits;
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    ASSERT_TRUE(Import("pku-sketch", seed).ok());
    splits.insert(absl::StrJoin(Identities("test"), ","));
  }
  EXPECT_EQ(splits.size(), 10u);
}

TEST_F(PkuSketchTest, PersonWithoutSketchOrWithOnePhotoIsNamed) {
  Remove("sketch/7.jpg");
  EXPECT_THAT(Refusal("pku-sketch"), HasSubstr("photo/7_01_100.jpg: has no sketch 7.jpg"));
  SetUp();
  Remove("photo/9_07_2.jpg");
  EXPECT_THAT(Refusal("pku-sketch"), HasSubstr("sketch/9.jpg: has 1 photos"));
}

TEST_F(PkuSketchTest, PersonOfTwoStylesOrOfNoneIsNamed) {
  Write(StyleFile('e', 22), [] {
    std::string lines;
    for (int id = 180; id <= 200; ++id) absl::StrAppend(&lines, id, "\n");
    return lines + "1\n";
  }());
  EXPECT_THAT(Refusal("pku-sketch"),
              AllOf(HasSubstr("e_22.txt"), HasSubstr("person 1 is listed already in a_46.txt")));
  SetUp();
  Jpg("sketch/201.jpg");
  EXPECT_THAT(Refusal("pku-sketch"), HasSubstr("sketch/201.jpg: person 201 is in no style file"));
}

TEST_F(PkuSketchTest, StyleFileThatDoesNotHoldWhatItsNameSaysIsNamed) {
  std::filesystem::rename(Root(StyleFile('b', 20)), Root(StyleFile('b', 21)));
  EXPECT_THAT(Refusal("pku-sketch"), HasSubstr("b_21.txt: lists 20 persons"));
  SetUp();
  std::filesystem::remove_all(Root("styleAnnotation/b_21.txt"));
  Write(StyleFile('b', 20), "47\nforty-eight\n");
  EXPECT_THAT(Refusal("pku-sketch"), HasSubstr("b_20.txt:2: expected a line with the id"));
}

class IiitdTest : public PublishedTreeTest {
 protected:
  void SetUp() override {
    for (const char* name : {"p1", "p2", "anna"}) Jpg(absl::StrCat("photo/", name, ".jpg"));
    for (const char* name : {"s1", "s2", "anna"}) Jpg(absl::StrCat("sketch/", name, ".jpg"));
    Split("identity,split\n1,train\n2,val\nanna,test\n");
  }
  void Split(const std::string& text) { std::ofstream(SplitFile()) << text; }
  std::string SplitFile() const { return dir_.File("split.csv"); }
};

TEST_F(IiitdTest, PairsHaveTheSplitOfTheFile) {
  const auto summary = Import("iiitd", 1, SplitFile());
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(Identities("train"), (std::set<std::string>{"1"}));
  EXPECT_EQ(Identities("val"), (std::set<std::string>{"2"}));
  EXPECT_EQ(Identities("test"), (std::set<std::string>{"anna"}));
}

TEST_F(IiitdTest, SplitFileIsNeeded) { EXPECT_THAT(Refusal("iiitd"), HasSubstr("split")); }

TEST_F(IiitdTest, LinesThatAreWrongAreNamedByNumber) {
  const std::pair<const char*, const char*> wrong[] = {
      {"1,train\n2,training\nanna,test\n", "split.csv:2: split \"training\""},
      {"1,train\n2,val\n1,test\nanna,test\n",
       "split.csv:3: identity 1 is listed already in line 1"},
      {"1,train\n2,val\nanna,test\nzoe,test\n", "split.csv:4: identity zoe has no images"},
      {"1,train\n2\nanna,test\n", "split.csv:2: has 1 fields"},
      {"1,train\n2,val\n", "does not list identity anna"}};
  for (const auto& [text, words] : wrong) {
    Split(text);
    EXPECT_THAT(Refusal("iiitd", SplitFile()), HasSubstr(words)) << text;
  }
}

TEST_F(IiitdTest, PhotoWithoutSketchIsNamed) {
  Remove("sketch/s2.jpg");
  EXPECT_THAT(Refusal("iiitd", SplitFile()), HasSubstr("photo/p2.jpg: identity 2 has no sketch"));
}

class FolderTest : public PublishedTreeTest {
 protected:
  void SetUp() override {
    for (int i = 0; i < 8; ++i) {
      Jpg(absl::StrCat("photo/shoe", i, "_front.jpg"));
      PngFile(absl::StrCat("sketch/shoe", i, ".png"));
    }
  }
};

TEST_F(FolderTest, WithoutSplitsAQuarterIsToTestOnBySeed) {
  const auto summary = Import("folder", 1);
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->test_identities, 2);
  EXPECT_EQ(summary->train_identities, 6);
  const std::set<std::string> first = Identities("test");
  ASSERT_TRUE(Import("folder", 1).ok());
  EXPECT_EQ(Identities("test"), first);
}

TEST_F(FolderTest, IdentityIsWhatStandsBeforeTheFirstUnderscoreOrTheFolder) {
  Jpg("photo/boot/one.jpg");
  Jpg("photo/boot/two.jpg");
  ASSERT_TRUE(Import("folder").ok());
  std::map<std::string, int> photos;
  const DataSet data_set = Imported();
  for (const DataSetImage& image : data_set.images()) {
    if (image.modality == v1::MODALITY_PHOTO) ++photos[image.identity];
  }
  EXPECT_EQ(photos["shoe3"], 1);
  EXPECT_EQ(photos["boot"], 2);
}

TEST_F(FolderTest, SketchWithoutPhotoIsNamed) {
  PngFile("sketch/stray.png");
  EXPECT_THAT(Refusal("folder"), HasSubstr("sketch/stray.png: identity stray has no photo"));
}

}  // namespace
}  // namespace s2p::testing
