#include "trainer/ihda/resume_state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "model/file.h"
#include "model/sha256.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace s2p::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class ResumeStateTest : public testing::Test {
 protected:
  // With a best epoch.
  void WriteBest() {
    ResumeState state{"digest", 2, 7, 123, "nets", "start", 1, "sum"};
    state.best_epoch = 6;
    state.best_mean_average_precision = 0.75;
    state.best = "best";
    state.last_sum = "last sum";
    ASSERT_THAT(WriteResumeState(path_, state), IsOk());
  }
  void Write() {
    ASSERT_THAT(
        WriteResumeState(path_, {"digest", 2, 7, 123, std::string("a\0\nb", 4), "start", 1, "sum"}),
        IsOk());
  }
  std::string Bytes() const { return *ReadWholeFile(path_, 1 << 20); }
  void Replace(const std::string& bytes) {
    std::ofstream file(path_, std::ios::binary | std::ios::trunc);
    file << bytes;
  }
  absl::StatusCode Code() const { return ReadResumeState(path_).status().code(); }

  TempDir dir_;
  const std::string path_ = dir_.File("resume");
};

TEST_F(ResumeStateTest, ReadsWhatWasWritten) {
  Write();
  const auto state = ReadResumeState(path_);
  ASSERT_THAT(state, IsOk());
  EXPECT_EQ(state->run_digest, "digest");
  EXPECT_EQ(state->ihda_step, 2);
  EXPECT_EQ(state->epochs_done, 7);
  EXPECT_EQ(state->updates, 123);
  EXPECT_EQ(state->networks, std::string("a\0\nb", 4));
  EXPECT_EQ(state->start, "start");
  EXPECT_EQ(state->repeats_ended, 1);
  EXPECT_EQ(state->sum, "sum");
}

TEST_F(ResumeStateTest, ProgramRulesAndVersionAreReadAsTheyWereWritten) {
  ResumeState state{"digest", 1, 1, 1, "nets"};
  state.run = {"lists", {"source", "target", "weights", "version"}};
  state.training_format = 7;
  state.build = "s2p-trainer 9";
  ASSERT_THAT(WriteResumeState(path_, state), IsOk());
  EXPECT_THAT(Bytes(), HasSubstr("\"format\":2")) << "older programs read it";
  const auto read = ReadResumeState(path_);
  ASSERT_THAT(read, IsOk());
  EXPECT_EQ(read->training_format, 7);
  EXPECT_EQ(read->build, "s2p-trainer 9");
  EXPECT_EQ(read->run.contents.initial_version_sha256, "version");
}

TEST_F(ResumeStateTest, BestEpochIsReadAsItWasWritten) {
  WriteBest();
  EXPECT_THAT(Bytes(), HasSubstr("\"format\":3"));
  const auto state = ReadResumeState(path_);
  ASSERT_THAT(state, IsOk());
  EXPECT_EQ(state->best_epoch, 6);
  EXPECT_EQ(state->best_mean_average_precision, 0.75);
  EXPECT_EQ(state->best, "best");
  EXPECT_EQ(state->last_sum, "last sum");
  EXPECT_EQ(state->sum, "sum");
}

TEST_F(ResumeStateTest, WithoutABestEpochOlderProgramsReadIt) {
  Write();
  EXPECT_THAT(Bytes(), HasSubstr("\"format\":2"));
}

TEST_F(ResumeStateTest, BestEpochWithoutWeightsMakesNoSense) {
  WriteBest();
  Replace(absl::StrReplaceAll(Bytes(), {{"\"bestEpoch\":6", "\"bestEpoch\":0"}}));
  EXPECT_THAT(ReadResumeState(path_).status(),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("makes no sense")));
}

TEST_F(ResumeStateTest, DiskWithoutRoomForAStateIsSaidWithBothNumbers) {
  EXPECT_THAT(CheckRoomForState(path_, 1), IsOk());
  EXPECT_THAT(CheckRoomForState(path_, uint64_t{1} << 62),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       AllOf(HasSubstr("bytes are free"), HasSubstr("4611686018427387904"))));
  EXPECT_THAT(CheckRoomForState(dir_.File("none/resume"), uint64_t{1} << 62), IsOk());
}

TEST_F(ResumeStateTest, FormatOneHasOnlyTheNetworks) {
  Replace(
      "{\"format\":1,\"run\":\"digest\",\"step\":2,\"epochsDone\":7,\"iteration\":123,"
      "\"bytes\":4,\"sha256\":\"" +
      Sha256("nets") + "\"}\nnets");
  const auto state = ReadResumeState(path_);
  ASSERT_THAT(state, IsOk());
  EXPECT_EQ(state->networks, "nets");
  EXPECT_EQ(state->start + state->sum, "");
  EXPECT_EQ(state->training_format, 1);
  EXPECT_EQ(state->build, "");
}

TEST_F(ResumeStateTest, SizesThatDoNotAddUpAreDataLoss) {
  for (const char* field : {"\"bytes\":4", "\"startBytes\":5", "\"sumBytes\":3", "\"bestBytes\":4",
                            "\"lastSumBytes\":8"}) {
    for (const char* added : {"1", "000000000000000000"}) {
      WriteBest();
      Replace(absl::StrReplaceAll(Bytes(), {{field, absl::StrCat(field, added)}}));
      const absl::Status status = ReadResumeState(path_).status();
      EXPECT_THAT(status, StatusIs(absl::StatusCode::kDataLoss, HasSubstr("another size")))
          << field << added;
    }
  }
}

TEST_F(ResumeStateTest, WritingReplacesAndLeavesNothingElse) {
  Write();
  Write();
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(dir_.path())) {
    EXPECT_EQ(entry.path().string(), path_);
    ++files;
  }
  EXPECT_EQ(files, 1);
}

TEST_F(ResumeStateTest, EveryTruncationIsDataLoss) {
  WriteBest();
  const std::string whole = Bytes();
  for (size_t size = 0; size < whole.size(); ++size) {
    Replace(whole.substr(0, size));
    EXPECT_EQ(Code(), absl::StatusCode::kDataLoss) << size;
  }
}

TEST_F(ResumeStateTest, FlippedByteIsDataLoss) {
  Write();
  std::string bytes = Bytes();
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  Replace(bytes);
  const auto state = ReadResumeState(path_);
  EXPECT_THAT(state, StatusIs(absl::StatusCode::kDataLoss, HasSubstr("SHA-256")));
}

TEST_F(ResumeStateTest, NewerFormatIsRefused) {
  Write();
  Replace(absl::StrReplaceAll(Bytes(), {{"\"format\":2", "\"format\":4"}}));
  EXPECT_EQ(Code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(ResumeStateTest, MissingFileIsNotFound) { EXPECT_EQ(Code(), absl::StatusCode::kNotFound); }

TEST_F(ResumeStateTest, FolderThatIsNotThereIsNamed) {
  const absl::Status status = WriteResumeState("/nowhere/resume", {});
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(std::string(status.message()), HasSubstr("/nowhere/resume"));
}

}  // namespace
}  // namespace s2p::test
