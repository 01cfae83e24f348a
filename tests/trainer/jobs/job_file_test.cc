#include "trainer/jobs/job_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/str_replace.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"
#include "trainer/spec/spec_form.h"
#include "trainer/spec/training_spec.h"

namespace s2p::test {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

constexpr char kId[] = "20261123-205501-031337-3fa9c1d2";

v1::JobFile SmallFile() {
  v1::JobFile file;
  file.set_format(kJobFileFormat);
  file.set_cancel_requested(true);
  file.set_lineage("20261101-000000-000000-00000000");
  file.mutable_job()->set_job_id(kId);
  file.mutable_job()->set_state(v1::Job::STATE_QUEUED);
  file.mutable_job()->mutable_created_at()->set_seconds(1);
  file.mutable_job()->mutable_spec()->set_name("one \"two\"\n");
  file.mutable_job()->mutable_resolved_spec()->set_seed(uint64_t{1} << 63);
  return file;
}

class JobFileTest : public testing::Test {
 protected:
  std::string Text() {
    std::ifstream file(dir_.File("job.json"));
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
  }
  void Write(const std::string& text) { std::ofstream(dir_.File("job.json")) << text; }
  // The status of reading a good file with `from` replaced by `to`.
  absl::Status ReadWith(const std::string& from, const std::string& to) {
    EXPECT_THAT(WriteJobFile(dir_.path(), SmallFile()), IsOk());
    EXPECT_THAT(Text(), HasSubstr(from));
    Write(absl::StrReplaceAll(Text(), {{from, to}}));
    return ReadJobFile(dir_.path(), kId).status();
  }
  TempDir dir_;
};

TEST_F(JobFileTest, WhatIsWrittenIsRead) {
  ASSERT_THAT(WriteJobFile(dir_.path(), SmallFile()), IsOk());
  const auto file = ReadJobFile(dir_.path(), kId);
  ASSERT_THAT(file, IsOk());
  EXPECT_EQ(file->SerializeAsString(), SmallFile().SerializeAsString());
}

// job.json as a program wrote it before fields of the spec moved. The digest of what it trains is
// the one that its resume file has.
TEST_F(JobFileTest, JobOfAnOlderProgramIsReadInThePresentForm) {
  const std::string id = "20261129-100739-394013-69c0725e";
  std::filesystem::copy_file(S2P_JOB_OF_THE_FIRST_FORM, dir_.File("job.json"));
  const auto file = ReadJobFile(dir_.path(), id);
  ASSERT_THAT(file, IsOk());
  const v1::TrainingSpec& resolved = file->job().resolved_spec();
  EXPECT_THAT(MovedFields(file->job().spec()), IsEmpty());
  EXPECT_THAT(MovedFields(resolved), IsEmpty());
  EXPECT_EQ(resolved.release().step2_decay(), 0.5);
  EXPECT_EQ(SpecDigest(resolved),
            "e93885ab4e39f625c73aeedb4dc5876bdf68b5dd40b53eea7866c720210c31af");
}

TEST_F(JobFileTest, MissingFileIsNotFound) {
  EXPECT_THAT(ReadJobFile(dir_.path(), kId), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(JobFileTest, EveryTruncationIsDataLossNamingTheFile) {
  ASSERT_THAT(WriteJobFile(dir_.path(), SmallFile()), IsOk());
  const std::string text = Text();
  // Without the last brace; the line feed after it does not matter.
  for (size_t length = 0; length < text.rfind('}'); ++length) {
    Write(text.substr(0, length));
    const absl::Status status = ReadJobFile(dir_.path(), kId).status();
    ASSERT_THAT(status, StatusIs(absl::StatusCode::kDataLoss, HasSubstr(dir_.File("job.json"))))
        << length << ": " << status;
  }
}

TEST_F(JobFileTest, NewerFormatIsRefusedWhateverElseItSays) {
  const absl::Status status = ReadWith("\"format\": 1,", "\"format\": 2, \"job2\": [],");
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kFailedPrecondition,
                               HasSubstr("format 2 is newer than this program")));
}

TEST_F(JobFileTest, FormatZeroIsDataLoss) {
  const absl::Status status = ReadWith("\"format\": 1,", "\"format\": 0,");
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kDataLoss, HasSubstr("format")));
}

TEST_F(JobFileTest, JobOfAnotherFolderIsDataLoss) {
  EXPECT_THAT(ReadWith(kId, "20261123-205501-031337-3fa9c1d3").message(), HasSubstr("jobId"));
}

TEST_F(JobFileTest, UnknownStateIsDataLoss) {
  const absl::Status status = ReadWith("\"STATE_QUEUED\"", "77");
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kDataLoss, HasSubstr("state")));
}

TEST_F(JobFileTest, UnknownFieldIsDataLoss) {
  const absl::Status status = ReadWith("\"seed\"", "\"sead\"");
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kDataLoss, HasSubstr("sead")));
}

TEST_F(JobFileTest, FailedWriteLeavesTheOldFile) {
  ASSERT_THAT(WriteJobFile(dir_.path(), SmallFile()), IsOk());
  // A folder in place of the temporary file simulates a failing disk.
  std::filesystem::create_directory(dir_.File(".job.json.tmp"));
  v1::JobFile other = SmallFile();
  other.mutable_job()->set_reason("other");
  EXPECT_FALSE(WriteJobFile(dir_.path(), other).ok());
  EXPECT_EQ(ReadJobFile(dir_.path(), kId)->job().reason(), "");
}

TEST(JobIdTest, ShowsTimeAndIsOne) {
  const std::string id = NewJobId(absl::FromUnixMicros(1'795'467'301'031'337), "");
  EXPECT_THAT(id, StartsWith("20261123-205501-031337-"));
  EXPECT_TRUE(IsJobId(id));
}

TEST(JobIdTest, SortsAfterTheLastThoughTheClockIsSetBack) {
  std::string last = NewJobId(absl::FromUnixSeconds(2'000'000'000), "");
  for (int i = 0; i < 100; ++i) {
    const std::string next = NewJobId(absl::FromUnixSeconds(1'000'000'000), last);
    ASSERT_GT(next, last);
    ASSERT_TRUE(IsJobId(next)) << next;
    last = next;
  }
}

TEST(JobIdTest, OtherNamesAreNone) {
  for (const char* name : {"", ".", "..", "run-3fa9c1d2", "20261123-205501-031337-3FA9C1D2",
                           "20261323-205501-031337-3fa9c1d2", "20261123-205501-031337-3fa9c1d2/"}) {
    EXPECT_FALSE(IsJobId(name)) << name;
  }
}

TEST(ShownTextTest, KeepsUtf8AndReplacesTheRest) {
  EXPECT_EQ(ShownText("größe 靴 👟"), "größe 靴 👟");
  EXPECT_EQ(ShownText("a\xff\xc3(\xed\xa0\x80"),
            "a?"
            "?("
            "???");
  EXPECT_EQ(ShownText(std::string(100'000, 'x')).size(), 16u << 10);
}

}  // namespace
}  // namespace s2p::test
