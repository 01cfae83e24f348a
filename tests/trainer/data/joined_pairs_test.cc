#include "trainer/data/joined_pairs.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"
#include "trainer/data/data_set_digest.h"

namespace s2p::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class JoinedPairsTest : public testing::Test {
 protected:
  JoinedPairsTest() {
    for (const char* folder : {"target", "pairs"}) {
      std::filesystem::create_directories(dir_.File(folder));
      Write(absl::StrCat(folder, "/dataset.json"), R"({"format": 1, "name": "mine"})");
    }
    Line("target", "red.jpg", "boot", "photo");
    Line("target", "blue.jpg", "shoe", "photo");
    Write("target/red.jpg", "red");
    Write("target/blue.jpg", "blue");
  }
  void Write(const std::string& name, const std::string& bytes) {
    std::ofstream(dir_.File(name), std::ios::binary) << bytes;
  }
  void Line(const std::string& folder, const std::string& path, const std::string& identity,
            const std::string& modality, const std::string& split = "train") {
    std::ofstream(dir_.File(folder + "/dataset.jsonl"), std::ios::app)
        << absl::StrCat(R"({"path":")", path, R"(","identity":")", identity, R"(","modality":")",
                        modality, R"(","split":")", split, "\"}\n");
  }
  void Append(const std::string& folder, const std::string& line) {
    std::ofstream(dir_.File(folder + "/dataset.jsonl"), std::ios::app) << line << "\n";
  }
  // A confirmed pair: a photo with these bytes, and a drawing.
  void Confirm(const std::string& id, const std::string& photo_bytes) {
    Line("pairs", id + ".jpg", id, "photo");
    Line("pairs", id + ".png", id, "sketch");
    Write(absl::StrCat("pairs/", id, ".jpg"), photo_bytes);
    Write(absl::StrCat("pairs/", id, ".png"), "drawing of " + id);
  }
  absl::StatusOr<DataSet> Open() {
    return OpenWithPairs(dir_.File("target"), dir_.File("pairs"), ImageFiles::kMustExist);
  }
  // "path identity split" of each line.
  std::vector<std::string> Lines() {
    const auto joined = Open();
    EXPECT_THAT(joined, IsOk());
    std::vector<std::string> lines;
    if (!joined.ok()) return lines;
    for (const DataSetImage& image : joined->images()) {
      lines.push_back(absl::StrCat(image.path, " ", image.identity, " ", image.split));
    }
    return lines;
  }
  TempDir dir_;
};

TEST_F(JoinedPairsTest, FolderWithoutPairsAddsNothing) {
  EXPECT_THAT(Lines(), ElementsAre("red.jpg boot train", "blue.jpg shoe train"));
  EXPECT_EQ(Open()->sha256(), DataSet::Open(dir_.File("target"))->sha256());
  std::filesystem::remove_all(dir_.File("pairs"));
  EXPECT_THAT(Lines(), ElementsAre("red.jpg boot train", "blue.jpg shoe train"));
}

TEST_F(JoinedPairsTest, PhotoWithTheBytesOfOneOfTheTargetIsThatPhoto) {
  Confirm("a", "blue");
  EXPECT_THAT(Lines(),
              ElementsAre("red.jpg boot train", "blue.jpg shoe train", "a.png shoe train"));
}

TEST_F(JoinedPairsTest, OtherPhotoIsAnIdentityOfItsOwnEvenUnderAKnownName) {
  Confirm("boot", "green");
  EXPECT_THAT(Lines(), ElementsAre("red.jpg boot train", "blue.jpg shoe train",
                                   "boot.jpg pairs/boot train", "boot.png pairs/boot train"));
}

TEST_F(JoinedPairsTest, PhotoOfTheSameSizeIsTheSameOnlyWithTheSameBytes) {
  Confirm("a", "reb");
  EXPECT_EQ(Lines().size(), 4u);
}

TEST_F(JoinedPairsTest, IdentitiesStayTheSameAsPairsCome) {
  Confirm("b", "green");
  Confirm("a", "red");
  const std::vector<std::string> before = Lines();
  Confirm("c", "blue");
  std::vector<std::string> after = Lines();
  ASSERT_EQ(after.size(), before.size() + 1);
  after.pop_back();
  EXPECT_EQ(after, before);
}

TEST_F(JoinedPairsTest, DrawingOfATestPhotoIsLeftOut) {
  Line("target", "old.jpg", "old", "photo", "test");
  Write("target/old.jpg", "old");
  Confirm("a", "old");
  EXPECT_THAT(Lines(),
              ElementsAre("red.jpg boot train", "blue.jpg shoe train", "old.jpg old test"));
}

TEST_F(JoinedPairsTest, ImagesAreReadFromTheirOwnFolder) {
  Confirm("a", "blue");
  const auto joined = Open();
  ASSERT_THAT(joined, IsOk());
  EXPECT_EQ(joined->PathOf(joined->images()[0]), dir_.File("target/red.jpg"));
  EXPECT_EQ(joined->PathOf(joined->images()[2]), dir_.File("pairs/a.png"));
}

TEST_F(JoinedPairsTest, MatchThatWasForgottenMeanwhileIsLeftOut) {
  Confirm("a", "blue");
  Confirm("b", "green");
  std::filesystem::remove(dir_.File("pairs/a.png"));
  std::filesystem::remove(dir_.File("pairs/b.png"));
  std::filesystem::remove(dir_.File("pairs/b.jpg"));
  EXPECT_THAT(Lines(), ElementsAre("red.jpg boot train", "blue.jpg shoe train"));
}

TEST_F(JoinedPairsTest, SketchIsOfThePhotoThatItsLineNames) {
  // Two photos of one thing, which are two identities of the target.
  for (const char* photo : {"red", "blue"}) {
    const std::string name = photo;
    Line("pairs", name + ".jpg", "thing", "photo");
    Write("pairs/" + name + ".jpg", name);
    Write("pairs/" + name + ".png", "drawing of " + name);
    Append("pairs",
           R"({"path":")" + name +
               R"(.png","identity":"thing","modality":"sketch","split":"train","photo":")" + name +
               ".jpg\"}");
  }
  EXPECT_THAT(Lines(), ElementsAre("red.jpg boot train", "blue.jpg shoe train",
                                   "red.png boot train", "blue.png shoe train"));
}

TEST_F(JoinedPairsTest, PhotoOfAPhotoIsRefused) {
  Append("pairs",
         R"({"path":"a.jpg","identity":"a","modality":"photo","split":"train","photo":"a.jpg"})");
  EXPECT_THAT(Open(), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("\"photo\"")));
}

TEST_F(JoinedPairsTest, OneDrawingOfSeveralPhotosKnowsTheOthers) {
  Confirm("a", "blue");
  Confirm("b", "red");
  Write("pairs/a.png", "the same");
  Write("pairs/b.png", "the same");
  const auto joined = Open();
  ASSERT_THAT(joined, IsOk());
  ASSERT_EQ(joined->images().size(), 4u);
  EXPECT_THAT(joined->images()[2].other_identities, ElementsAre("boot"));
  EXPECT_THAT(joined->images()[3].other_identities, ElementsAre("shoe"));
}

TEST_F(JoinedPairsTest, OneDrawingOfATestPhotoAndAnotherIsLeftOut) {
  Line("target", "old.jpg", "old", "photo", "test");
  Write("target/old.jpg", "old");
  Confirm("a", "old");
  Confirm("b", "red");
  Write("pairs/a.png", "the same");
  Write("pairs/b.png", "the same");
  EXPECT_THAT(Lines(),
              ElementsAre("red.jpg boot train", "blue.jpg shoe train", "old.jpg old test"));
}

TEST_F(JoinedPairsTest, PhotoThatCannotBeReadIsAnError) {
  Confirm("a", "blue");
  std::filesystem::remove(dir_.File("pairs/a.jpg"));
  std::filesystem::create_directory(dir_.File("pairs/a.jpg"));
  EXPECT_THAT(Open(), StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("pairs/a.jpg")));
}

TEST_F(JoinedPairsTest, DigestIsOfBothAndOfTheTargetAloneWithoutPairs) {
  const std::string target = dir_.File("target"), pairs = dir_.File("pairs");
  const auto alone = DataSetDigestCache().Of(target, pairs);
  EXPECT_EQ(*alone, *DataSetDigestCache().Of(target));
  Confirm("a", "blue");
  const auto both = DataSetDigestCache().Of(target, pairs);
  EXPECT_NE(*both, *alone);
  EXPECT_EQ(*both, Open()->sha256());
  DataSetDigestCache cache;
  EXPECT_EQ(*cache.Of(target, pairs), *both);
}

TEST_F(JoinedPairsTest, BrokenLineIsNamed) {
  Confirm("a", "blue");
  Write("pairs/dataset.jsonl", "{\"path\":");
  EXPECT_THAT(Open(), StatusIs(absl::StatusCode::kInvalidArgument,
                               HasSubstr("pairs/dataset.jsonl:1: not valid JSON")));
}

TEST_F(JoinedPairsTest, PackedPairsAreRefused) {
  Write("packed", "whatever");
  EXPECT_THAT(OpenWithPairs(dir_.File("target"), dir_.File("packed"), ImageFiles::kMustExist),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("is packed")));
}

}  // namespace
}  // namespace s2p::test
