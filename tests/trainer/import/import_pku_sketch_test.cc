#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "tests/testing/status_matchers.h"
#include "tests/trainer/import/import_fixture.h"

namespace s2p::test {
namespace {

using testing::ElementsAre;

constexpr int kPersons = 200;
const std::vector<std::pair<std::string, int>>& Styles() {
  static const auto* const styles = new std::vector<std::pair<std::string, int>>{
      {"a", 46}, {"b", 20}, {"c", 79}, {"d", 33}, {"e", 22}};
  return *styles;
}

// Persons 1 to 200, dealt to the styles one after the other.
class ImportPkuSketchTest : public ImportTest {
 protected:
  void SetUp() override {
    int id = 0;
    for (const auto& [style, count] : Styles()) {
      std::string lines;
      for (int i = 0; i < count; ++i) lines += std::to_string(++id) + "\n";
      Write(FileOf(style, count), lines);
    }
    for (id = 1; id <= kPersons; ++id) {
      WriteJpg("sketch/" + std::to_string(id) + ".jpg");
      WriteJpg("photo/" + std::to_string(id) + "_03_" + std::to_string(id * 7) + ".jpg");
      WriteJpg("photo/" + std::to_string(id) + "_05_356.jpg");
    }
  }
  static std::string FileOf(const std::string& style, int count) {
    return "styleAnnotation/" + style + "_" + std::to_string(count) + ".txt";
  }
  // Imports with a seed and returns the persons to test on.
  std::set<std::string> TestOf(uint64_t seed) {
    std::filesystem::remove_all(Out());
    options_.split_seed = seed;
    const auto summary = Import("pku-sketch");
    EXPECT_THAT(summary, IsOk());
    return IdentitiesOf(Open(), "test");
  }
};

TEST_F(ImportPkuSketchTest, HundredAndFiftyPersonsAreToTrainOn) {
  const auto summary = Import("pku-sketch");
  ASSERT_THAT(summary, IsOk());
  EXPECT_EQ(summary->photos, 400);
  EXPECT_EQ(summary->sketches, 200);
  EXPECT_EQ(summary->train_identities, 150);
  EXPECT_EQ(summary->test_identities, 50);
  const DataSet data_set = Open();
  EXPECT_EQ(data_set.images()[0].path.substr(0, 6), "photo/");
  EXPECT_EQ(IdentitiesOf(data_set, "train").size(), 150u);
}

TEST_F(ImportPkuSketchTest, EachStyleGivesItsShare) {
  ASSERT_THAT(Import("pku-sketch"), IsOk());
  const std::set<std::string> train = IdentitiesOf(Open(), "train");
  std::vector<int> shares;
  int id = 0;
  for (const auto& [style, count] : Styles()) {
    shares.push_back(0);
    for (int i = 0; i < count; ++i) {
      shares.back() += static_cast<int>(train.count(std::to_string(++id)));
    }
  }
  EXPECT_THAT(shares, ElementsAre(34, 15, 60, 25, 16));
}

TEST_F(ImportPkuSketchTest, SplitIsAFunctionOfTheSeed) { EXPECT_EQ(TestOf(3), TestOf(3)); }

TEST_F(ImportPkuSketchTest, CaseOfTheStylesNamesDecidesNothing) {
  const std::set<std::string> test = TestOf(3);
  Rename("styleAnnotation/d_33.txt", "styleAnnotation/D_33.TXT");
  EXPECT_EQ(TestOf(3), test);
}

TEST_F(ImportPkuSketchTest, TenSeedsGiveTenSplits) {
  std::set<std::set<std::string>> splits;
  for (uint64_t seed = 1; seed <= 10; ++seed) splits.insert(TestOf(seed));
  EXPECT_EQ(splits.size(), 10u);
}

TEST_F(ImportPkuSketchTest, OrderOfTheLinesDoesNotMatter) {
  const std::set<std::string> before = TestOf(1);
  Replace("styleAnnotation/a_46.txt", "1\n2\n3\n", "3\n1\n2\n");
  EXPECT_EQ(TestOf(1), before);
}

TEST_F(ImportPkuSketchTest, SplitIsWrittenDown) {
  options_.split_seed = 9007199254740993u;
  ASSERT_THAT(Import("pku-sketch"), IsOk());
  const auto note = nlohmann::json::parse(Read(Out("split.json")));
  EXPECT_EQ(note["seed"], "9007199254740993");
  std::set<std::string> train, test;
  for (const auto& [style, count] : Styles()) {
    const auto& parts = note["styles"][style];
    EXPECT_EQ(parts["train"].size() + parts["test"].size(), static_cast<size_t>(count));
    for (int id : parts["train"]) train.insert(std::to_string(id));
    for (int id : parts["test"]) test.insert(std::to_string(id));
  }
  EXPECT_EQ(train, IdentitiesOf(Open(), "train"));
  EXPECT_EQ(test, IdentitiesOf(Open(), "test"));
}

TEST_F(ImportPkuSketchTest, LineThatIsNoIdIsNamed) {
  Replace("styleAnnotation/b_20.txt", "48\n", "person 48\n");
  ExpectWrong("pku-sketch", "b_20.txt:2: expected a line with the id of one person");
}

TEST_F(ImportPkuSketchTest, CountInTheNameIsChecked) {
  Replace("styleAnnotation/e_22.txt", "200\n", "");
  ExpectWrong("pku-sketch", "e_22.txt: lists 21 persons, but its name says 22");
}

TEST_F(ImportPkuSketchTest, PersonOfTwoStylesIsNamed) {
  Replace("styleAnnotation/b_20.txt", "47\n", "1\n");
  ExpectWrong("pku-sketch", "b_20.txt: person 1 is listed already in a_46.txt");
}

TEST_F(ImportPkuSketchTest, AllStylesTogetherHaveTwoHundredPersons) {
  Replace("styleAnnotation/e_22.txt", "200\n", "");
  Rename("styleAnnotation/e_22.txt", "styleAnnotation/e_21.txt");
  ExpectWrong("pku-sketch",
              "styleAnnotation: the styles list 199 persons, expected 200: 150 to train on and 50");
}

TEST_F(ImportPkuSketchTest, StylesThatCannotGiveTheirShareAreNamed) {
  // Sorted by name, the largest style comes last.
  Rename("styleAnnotation/c_79.txt", "styleAnnotation/f_79.txt");
  ExpectWrong("pku-sketch", "d_33.txt: lists 33 persons, but 60 of this style are to train on");
}

TEST_F(ImportPkuSketchTest, MissingStyleFileIsCounted) {
  Remove("styleAnnotation/e_22.txt");
  ExpectWrong("pku-sketch", "styleAnnotation: has 4 style files, expected 5");
}

TEST_F(ImportPkuSketchTest, FileThatIsNoStyleIsNamed) {
  Write("styleAnnotation/notes.txt", "1\n");
  ExpectWrong("pku-sketch", "notes.txt: expected a name STYLE_COUNT.txt");
}

TEST_F(ImportPkuSketchTest, PersonWithoutSketchIsNamed) {
  Remove("sketch/17.jpg");
  ExpectWrong("pku-sketch", "photo/17_03_119.jpg: has no sketch 17.jpg");
}

TEST_F(ImportPkuSketchTest, PersonWithOnePhotoIsNamed) {
  Remove("photo/17_05_356.jpg");
  ExpectWrong("pku-sketch", "sketch/17.jpg: has 1 photos 17_CAMERA_FRAME.jpg, expected 2");
}

TEST_F(ImportPkuSketchTest, PersonWithoutImagesIsNamed) {
  Remove("sketch/17.jpg");
  Remove("photo/17_03_119.jpg");
  Remove("photo/17_05_356.jpg");
  ExpectWrong("pku-sketch", "sketch: has no 17.jpg, but a style lists it");
}

TEST_F(ImportPkuSketchTest, PersonOfNoStyleIsNamed) {
  WriteJpg("sketch/201.jpg");
  ExpectWrong("pku-sketch", "sketch/201.jpg: person 201 is in no style file");
}

TEST_F(ImportPkuSketchTest, PhotoWithAnotherNameIsNamed) {
  WriteJpg("photo/1_05.jpg");
  ExpectWrong("pku-sketch", "photo/1_05.jpg: expected a name ID_CAMERA_FRAME.jpg");
}

TEST_F(ImportPkuSketchTest, SketchWithAnotherNameIsNamed) {
  WriteJpg("sketch/01.jpg");
  ExpectWrong("pku-sketch", "sketch/01.jpg: expected a name ID.jpg");
}

TEST_F(ImportPkuSketchTest, MissingFolderIsNotFound) {
  Remove("styleAnnotation");
  ExpectMissing("pku-sketch", "styleAnnotation: there is no such folder");
}

}  // namespace
}  // namespace s2p::test
