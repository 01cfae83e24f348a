#include "client/labelled_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/files.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace s2p {
namespace {

using test::IsOk;
using test::StatusIs;
using testing::HasSubstr;

class LabelledSetTest : public testing::Test {
 protected:
  void Write(const std::string& about, const std::string& lines) {
    ASSERT_THAT(WriteFile(dir_.path() + "/dataset.json", about), IsOk());
    ASSERT_THAT(WriteFile(dir_.path() + "/dataset.jsonl", lines), IsOk());
  }
  absl::Status Read(const std::string& line) {
    Write(kAbout, kGood + line + "\n");
    return ReadLabelledSet(dir_.path(), "test").status();
  }

  const std::string kAbout = R"({"format":1,"name":"shoes"})";
  const std::string kGood =
      R"({"path":"photo/1.jpg","identity":"1","modality":"photo","split":"test"})"
      "\n";
  test::TempDir dir_;
};

TEST_F(LabelledSetTest, GivesTheImagesOfTheSplit) {
  Write(kAbout, kGood + R"({"path":"s.png","identity":"2","modality":"sketch","split":"train"})"
                        "\n\n");
  const auto set = ReadLabelledSet(dir_.path(), "train");
  ASSERT_THAT(set, IsOk());
  EXPECT_EQ(set->name, "shoes");
  ASSERT_EQ(set->images.size(), 1u);
  EXPECT_EQ(set->images[0].path, "s.png");
  EXPECT_EQ(set->images[0].identity, "2");
  EXPECT_EQ(set->images[0].modality, v1::MODALITY_SKETCH);
}

TEST_F(LabelledSetTest, BadLineIsNamedByItsNumber) {
  for (const char* line : {"{", "[]", R"({"path":"a","modality":"photo","split":"test"})",
                           R"({"path":1,"identity":"1","modality":"photo","split":"test"})",
                           R"({"path":"a","identity":"1","modality":"drawing","split":"test"})",
                           R"({"path":"../a","identity":"1","modality":"photo","split":"test"})",
                           R"({"path":"/a","identity":"1","modality":"photo","split":"test"})"}) {
    const absl::Status status = Read(line);
    EXPECT_THAT(status,
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("dataset.jsonl:2: ")))
        << line;
  }
}

TEST_F(LabelledSetTest, IdentityWithAControlCharacterIsNamedByItsLine) {
  const absl::Status status =
      Read(R"({"path":"a","identity":"a\u001b","modality":"photo","split":"test"})");
  EXPECT_THAT(
      status,
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("dataset.jsonl:2: \"identity\": \"a\\x1b\" has a control character")));
}

TEST_F(LabelledSetTest, SplitWithoutImagesIsRefused) {
  Write(kAbout, kGood);
  const auto set = ReadLabelledSet(dir_.path(), "val");
  EXPECT_THAT(set, StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("\"val\"")));
}

TEST_F(LabelledSetTest, NewerFormatIsRefused) {
  Write(R"({"format":2,"name":"shoes"})", kGood);
  EXPECT_THAT(ReadLabelledSet(dir_.path(), "test"),
              StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(LabelledSetTest, FolderWithoutDataSetIsNotFound) {
  EXPECT_THAT(ReadLabelledSet(dir_.path(), "test"), StatusIs(absl::StatusCode::kNotFound));
}

}  // namespace
}  // namespace s2p
