#include "trainer/data/data_set.h"

#include <gmock/gmock.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "tests/image/image_bytes.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace s2p::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr char kHeader[] = R"({"format": 1, "name": "mine", "attributes": ["boots", "laces"]})";
constexpr char kPhoto[] =
    R"({"path":"photo/1.jpg","identity":"1","modality":"photo","split":"train","attributes":{"boots":1}})";
constexpr char kSketch[] =
    R"({"path":"sketch/1.jpg","identity":"1","modality":"sketch","split":"test"})";

class DataSetTest : public testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directories(dir_.File("photo"));
    std::filesystem::create_directories(dir_.File("sketch"));
    Write("photo/1.jpg", Jpeg(4, 4, 3));
    Write("sketch/1.jpg", Jpeg(4, 4, 3));
    Write("dataset.json", kHeader);
  }
  void Write(const std::string& name, const std::string& bytes) {
    std::ofstream(dir_.File(name), std::ios::binary) << bytes;
  }
  absl::StatusOr<DataSet> Open(const std::string& lines,
                               ImageFiles files = ImageFiles::kMustExist) {
    Write("dataset.jsonl", lines);
    return DataSet::Open(dir_.path(), files);
  }
  // The message with which a second line is refused.
  std::string Refusal(const std::string& line) {
    const auto data_set = Open(absl::StrCat(kPhoto, "\n", line, "\n"));
    EXPECT_THAT(data_set,
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("dataset.jsonl:2: ")))
        << line;
    return std::string(data_set.status().message());
  }
  TempDir dir_;
};

TEST_F(DataSetTest, LinesAreImagesInTheirOrder) {
  const auto data_set = Open(absl::StrCat(kPhoto, "\n", kSketch, "\n"));
  ASSERT_THAT(data_set, IsOk());
  EXPECT_EQ(data_set->name(), "mine");
  ASSERT_EQ(data_set->images().size(), 2u);
  EXPECT_EQ(data_set->images()[0].attributes[0], 1);
  EXPECT_TRUE(std::isnan(data_set->images()[0].attributes[1])) << "not said is not known";
  EXPECT_EQ(data_set->images()[1].modality, v1::MODALITY_SKETCH);
  EXPECT_EQ(data_set->images()[1].split, "test");
}

TEST_F(DataSetTest, ByteOrderMarkBlankLinesAndCarriageReturnsAreNoMatter) {
  const auto data_set = Open(absl::StrCat("\xef\xbb\xbf", kPhoto, "\r\n\r\n", kSketch));
  ASSERT_THAT(data_set, IsOk());
  EXPECT_EQ(data_set->images().size(), 2u);
}

TEST_F(DataSetTest, WrongLinesAreNamedWithTheirField) {
  const std::pair<const char*, const char*> wrong[] = {
      {"photo", "not valid JSON"},
      {"[]", "not a JSON object"},
      {R"({"identity":"1","modality":"photo","split":"train"})", "\"path\" is missing"},
      {R"({"path":"","identity":"1","modality":"photo","split":"train"})", "\"path\" is empty"},
      {R"({"path":"a.jpg","identity":7,"modality":"photo","split":"train"})",
       "\"identity\" is not a string"},
      {R"({"path":"sketch/1.jpg","identity":"1","modality":"video","split":"train"})",
       "\"modality\" is \"video\""},
      {R"({"path":"sketch/1.jpg","identity":"1","modality":"photo","split":"dev"})",
       "\"split\" is \"dev\""},
      {R"({"path":"sketch/1.jpg","identity":"1","modality":"photo","split":"test","x":1})",
       "unknown field \"x\""},
      {R"({"path":"sketch/1.jpg","identity":"1","modality":"photo","split":"test","attributes":{"heel":1}})",
       "\"heel\" is not in dataset.json"},
      {R"({"path":"sketch/1.jpg","identity":"1","modality":"photo","split":"test","attributes":{"boots":2}})",
       "outside [0, 1]"},
      {R"({"path":"/etc/passwd","identity":"1","modality":"photo","split":"test"})",
       "\"path\" is absolute"},
      {R"({"path":"a/../../b","identity":"1","modality":"photo","split":"test"})",
       "\"path\" leaves the folder"},
      {R"({"path":"a//b","identity":"1","modality":"photo","split":"test"})",
       "empty or \".\" part"},
      {R"({"path":"photo/9.jpg","identity":"1","modality":"photo","split":"test"})",
       "there is no file photo/9.jpg"},
      {kPhoto, "is listed already in line 1"}};
  for (const auto& [line, words] : wrong) EXPECT_THAT(Refusal(line), HasSubstr(words)) << line;
}

TEST_F(DataSetTest, MistakeInJsonIsShownInWordsOfOurs) {
  const std::pair<const char*, const char*> wrong[] = {
      {R"({"path":"a.jpg",})", "not valid JSON at byte 17, near: {\"path\":\"a.jpg\",}"},
      {R"({'path':'a.jpg'})", "not valid JSON at byte 2, near: {'path'"},
      {R"({"path":"a.jpg")", "it ends too early"},
      {R"({"path":1e999})", "not valid JSON"},
      {"{\"path\":"
       "\"\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\" x}",
       "near: \xc3\xa9"}};
  for (const auto& [line, words] : wrong) {
    EXPECT_THAT(Refusal(line), AllOf(HasSubstr(words), Not(HasSubstr("json.exception")))) << line;
  }
}

TEST_F(DataSetTest, MistakeInTheDescriptionIsNamedWithItsLine) {
  Write("dataset.json", "{\n\"format\": 1,\n\"name\": \"mine\",\n}\n");
  EXPECT_THAT(std::string(Open(kPhoto).status().message()),
              HasSubstr("dataset.json: not valid JSON in line 4 at byte 1, near: }"));
}

TEST_F(DataSetTest, TextThatIsNotUtf8IsNamedBeforeAnythingIsWritten) {
  DataSetImage image;
  image.path = "photo/caf\xe9.jpg";
  image.split = "train";
  const std::string folder = dir_.File("photo");
  const absl::Status status = WriteDataSet(folder, {"again", {}, "", ""}, {image});
  EXPECT_EQ(status.message(), folder + ": \"photo/caf\\xe9.jpg\" is not UTF-8");
  EXPECT_FALSE(std::filesystem::exists(folder + "/dataset.json"));
}

TEST_F(DataSetTest, MissingImagesAreNoMatterWhereTheyMayBeMissing) {
  std::filesystem::remove(dir_.File("sketch/1.jpg"));
  const std::string lines = absl::StrCat(kPhoto, "\n", kSketch);
  EXPECT_FALSE(Open(lines).ok());
  EXPECT_THAT(Open(lines, ImageFiles::kMayBeMissing), IsOk());
}

TEST_F(DataSetTest, NewerFormatIsRefusedAndAWrongHeaderNamed) {
  Write("dataset.json", R"({"format": 2, "name": "mine"})");
  EXPECT_THAT(Open(kPhoto), StatusIs(absl::StatusCode::kFailedPrecondition));
  Write("dataset.json", R"({"format": 1})");
  EXPECT_THAT(std::string(Open(kPhoto).status().message()),
              AllOf(HasSubstr("dataset.json"), HasSubstr("\"name\" is missing")));
  Write("dataset.json", R"({"format": 1, "name": "mine", "attributes": ["a", "a"]})");
  EXPECT_THAT(std::string(Open(kPhoto).status().message()), HasSubstr("names \"a\" twice"));
}

TEST_F(DataSetTest, EmptyListAndMissingFilesAreSaid) {
  EXPECT_THAT(Open(""), StatusIs(absl::StatusCode::kInvalidArgument));
  std::filesystem::remove(dir_.File("dataset.jsonl"));
  EXPECT_THAT(DataSet::Open(dir_.path()), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(DataSet::Open(dir_.File("none")), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(DataSetTest, BrokenImageIsNamedWhenItIsRead) {
  const auto data_set = Open(kPhoto);
  ASSERT_THAT(data_set, IsOk());
  EXPECT_THAT(data_set->Read(data_set->images()[0]), IsOk());
  Write("photo/1.jpg", "no picture");
  const auto read = data_set->Read(data_set->images()[0]);
  EXPECT_THAT(read, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("photo/1.jpg")));
}

TEST_F(DataSetTest, WhatIsWrittenIsRead) {
  const auto data_set = Open(absl::StrCat(kPhoto, "\n", kSketch));
  ASSERT_THAT(
      WriteDataSet(dir_.path(), {"again", data_set->attributes(), "", ""}, data_set->images()),
      IsOk());
  const auto again = DataSet::Open(dir_.path());
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(again->name(), "again");
  EXPECT_EQ(again->images()[0].attributes[0], 1);
  EXPECT_TRUE(std::isnan(again->images()[0].attributes[1]));
}

TEST_F(DataSetTest, FolderWithContentIsNotMadeADataSet) {
  EXPECT_THAT(CreateDataSetFolder(dir_.path()), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(CreateDataSetFolder(dir_.File("new/folder")), IsOk());
}

TEST(ValidationIdentityTest, ShareIsNearTheFractionAndGrowsWithIt) {
  int fewer = 0, more = 0;
  for (int i = 0; i < 10000; ++i) {
    const std::string identity = absl::StrCat("shoe ", i);
    const bool held_back = IsValidationIdentity(identity, 0.1);
    fewer += held_back ? 1 : 0;
    more += IsValidationIdentity(identity, 0.2) ? 1 : 0;
    EXPECT_TRUE(!held_back || IsValidationIdentity(identity, 0.2)) << identity;
  }
  EXPECT_NEAR(fewer, 1000, 100);
  EXPECT_NEAR(more, 2000, 130);
}

// As long as this holds, two models are compared on the same identities.
TEST(ValidationIdentityTest, MembershipIsForEver) {
  std::string members;
  for (int i = 1; i <= 40; ++i) {
    if (IsValidationIdentity(absl::StrCat(i), 0.1)) absl::StrAppend(&members, i, " ");
  }
  EXPECT_EQ(members, "7 12 19 ");
}

TEST(PairFractionTest, ShareIsNearTheFractionAndGrowsWithIt) {
  int half = 0, half_of_held_back = 0, held_back = 0;
  for (int i = 0; i < 10000; ++i) {
    const std::string identity = absl::StrCat("shoe ", i);
    const bool in_half = IsInPairFraction(identity, 0.5);
    half += in_half ? 1 : 0;
    EXPECT_TRUE(!in_half || IsInPairFraction(identity, 0.8)) << identity;
    EXPECT_TRUE(IsInPairFraction(identity, 1)) << identity;
    if (!IsValidationIdentity(identity, 0.2)) continue;
    ++held_back;
    half_of_held_back += in_half ? 1 : 0;
  }
  EXPECT_NEAR(half, 5000, 200);
  EXPECT_NEAR(half_of_held_back, held_back / 2, 100) << "the two hashes are independent";
}

// As long as this holds, results for one fraction can be compared.
TEST(PairFractionTest, MembershipIsForEver) {
  std::string members;
  for (int i = 1; i <= 40; ++i) {
    if (IsInPairFraction(absl::StrCat(i), 0.1)) absl::StrAppend(&members, i, " ");
  }
  EXPECT_EQ(members, "5 15 39 ");
}

}  // namespace
}  // namespace s2p::test
