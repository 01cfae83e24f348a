#include "trainer/pictures/event_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "model/file.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"
#include "trainer/pictures/tensorboard_event.pb.h"
#include "trainer/pictures/tfrecord.h"

namespace s2p::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(TfRecordTest, ChecksumIsTheMaskedCrc32c) {
  // The check value of CRC-32C is E3069283; rotated right by 15 bits and shifted by A282EAD8.
  constexpr uint32_t kCrc = 0xE3069283U;
  EXPECT_EQ(MaskedCrc32c("123456789"), ((kCrc >> 15) | (kCrc << 17)) + 0xA282EAD8U);
}

TEST(TfRecordTest, RecordsAreTakenOneByOne) {
  const std::string bytes = TfRecord("one") + TfRecord("") + TfRecord(std::string(300, 'x'));
  absl::string_view rest = bytes;
  EXPECT_EQ(TakeTfRecord(rest), "one");
  EXPECT_EQ(TakeTfRecord(rest), "");
  EXPECT_EQ(TakeTfRecord(rest), std::string(300, 'x'));
  EXPECT_FALSE(TakeTfRecord(rest));
}

TEST(TfRecordTest, EveryTruncationAndEveryFlippedByteIsNoRecord) {
  const std::string whole = TfRecord("data");
  EXPECT_EQ(whole.size(), 8 + 4 + 4 + 4u);
  for (size_t i = 0; i < whole.size(); ++i) {
    absl::string_view truncated = absl::string_view(whole).substr(0, i);
    EXPECT_FALSE(TakeTfRecord(truncated)) << i;
    EXPECT_EQ(truncated.size(), i);
    std::string flipped = whole;
    flipped[i] = static_cast<char>(flipped[i] ^ 0x10);
    absl::string_view damaged = flipped;
    EXPECT_FALSE(TakeTfRecord(damaged)) << i;
  }
}

TEST(TfRecordTest, AbsurdLengthIsNoRecord) {
  std::string length(8, '\xff');
  const uint32_t crc = MaskedCrc32c(length);
  for (int i = 0; i < 4; ++i) length += static_cast<char>(crc >> (8 * i) & 0xFF);
  absl::string_view bytes = length;
  EXPECT_FALSE(TakeTfRecord(bytes));
}

class EventLogTest : public testing::Test {
 protected:
  // A log of a run that begins, or resumes, with two epochs of step 1.
  EventLog Open() { return EventLog(dir_.path(), 2, "seed: 1\nname: \"x\""); }
  static v1::TrainingProgress Epoch(uint32_t ihda_step, uint32_t epoch, double loss = 1.5) {
    v1::TrainingProgress progress;
    progress.set_ihda_step(ihda_step);
    progress.set_epoch(epoch);
    progress.set_learning_rate(0.25);
    v1::LossTerm& term = *progress.add_losses();
    term.set_name("domain");
    term.set_value(loss);
    return progress;
  }
  static v1::Evaluation Evaluation(const std::string& split, double rank1) {
    v1::Evaluation evaluation;
    evaluation.set_split(split);
    evaluation.set_direction("sketch-to-photo");
    evaluation.set_rank1(rank1);
    return evaluation;
  }
  std::string Path() const { return dir_.File(kEventFileName); }
  std::vector<tensorboard::Event> Events() const {
    const auto bytes = ReadWholeFile(Path(), 1 << 20);
    absl::string_view rest = *bytes;
    std::vector<tensorboard::Event> events;
    while (const auto data = TakeTfRecord(rest)) {
      EXPECT_TRUE(events.emplace_back().ParseFromString(std::string(*data)));
    }
    EXPECT_THAT(rest, IsEmpty()) << "the file ends with a whole record";
    return events;
  }
  // Steps of the events after the two that begin the file.
  std::vector<int64_t> Steps() const {
    std::vector<int64_t> steps;
    for (const auto& event : Events()) steps.push_back(event.step());
    EXPECT_THAT(std::vector<int64_t>(steps.begin(), steps.begin() + 2), ElementsAre(0, 0));
    return {steps.begin() + 2, steps.end()};
  }
  static double Scalar(const tensorboard::Event& event, const std::string& tag) {
    for (const auto& value : event.summary().value()) {
      if (value.tag() == tag) return value.simple_value();
    }
    ADD_FAILURE() << "no " << tag;
    return -1;
  }

  TempDir dir_;
};

TEST_F(EventLogTest, BeginsWithItsVersionAndTheSpec) {
  Open().WriteEpoch(Epoch(1, 1), {});
  const auto events = Events();
  EXPECT_EQ(events[0].file_version(), "brain.Event:2");
  const auto& text = events[1].summary().value(0);
  EXPECT_EQ(text.tag(), "spec");
  EXPECT_EQ(text.metadata().plugin_data().plugin_name(), "text");
  EXPECT_EQ(text.tensor().string_val(0), "    seed: 1\n    name: \"x\"");
}

TEST_F(EventLogTest, EpochHasItsLossesItsRateAndItsEvaluations) {
  Open().WriteEpoch(Epoch(2, 3), {Evaluation("", 0.75)});
  const auto event = Events().at(2);
  EXPECT_EQ(event.step(), 5) << "after the two epochs of step 1";
  EXPECT_EQ(Scalar(event, "loss/domain"), 1.5);
  EXPECT_EQ(Scalar(event, "learning_rate"), 0.25);
  EXPECT_EQ(Scalar(event, "eval/sketch-to-photo/rank1"), 0.75);
  EXPECT_EQ(Scalar(event, "eval/sketch-to-photo/mAP"), 0);
}

TEST_F(EventLogTest, ResumedRunReplacesWhatItRepeats) {
  EventLog first = Open();
  for (uint32_t epoch : {1, 2}) first.WriteEpoch(Epoch(1, epoch), {});
  for (uint32_t epoch : {1, 2, 3}) first.WriteEpoch(Epoch(2, epoch), {});
  EventLog second = Open();
  second.WriteEpoch(Epoch(2, 2, 7.0), {});
  EXPECT_THAT(Steps(), ElementsAre(1, 2, 3, 4));
  EXPECT_EQ(Scalar(Events().back(), "loss/domain"), 7.0);
  second.WriteEpoch(Epoch(2, 3), {});
  EXPECT_THAT(Steps(), ElementsAre(1, 2, 3, 4, 5));
}

TEST_F(EventLogTest, TruncatedAtAnyByteItIsContinuedWithWholeRecords) {
  EventLog first = Open();
  for (uint32_t epoch : {1, 2}) first.WriteEpoch(Epoch(1, epoch), {});
  const auto whole = std::filesystem::file_size(Path());
  for (uintmax_t size = 0; size <= whole; ++size) {
    std::filesystem::resize_file(Path(), size);
    EventLog second = Open();
    for (uint32_t epoch : {1, 2}) second.WriteEpoch(Epoch(1, epoch), {});
    ASSERT_THAT(Steps(), ElementsAre(1, 2)) << size;
  }
}

TEST_F(EventLogTest, DamagedRecordAndWhatFollowsItIsCutOff) {
  EventLog first = Open();
  for (uint32_t epoch : {1, 2}) first.WriteEpoch(Epoch(1, epoch), {});
  std::string bytes = *ReadWholeFile(Path(), 1 << 20);
  bytes[bytes.size() - 10] = static_cast<char>(bytes[bytes.size() - 10] ^ 1);
  std::ofstream(Path(), std::ios::binary) << bytes;
  Open().WriteEpoch(Epoch(2, 1), {});
  EXPECT_THAT(Steps(), ElementsAre(1, 3));
}

TEST_F(EventLogTest, RunThatStartsOverBeginsTheFileAgain) {
  EventLog first = Open();
  for (uint32_t epoch : {1, 2}) first.WriteEpoch(Epoch(1, epoch), {});
  Open().WriteEpoch(Epoch(1, 1), {});
  EXPECT_THAT(Steps(), ElementsAre(1));
}

TEST_F(EventLogTest, ResultsAreThereOnceAtTheLastEpoch) {
  EventLog first = Open();
  first.WriteEpoch(Epoch(1, 1), {});
  first.WriteResults({Evaluation("test", 0.5)});
  // Killed before it could publish, it writes them again.
  Open().WriteResults({Evaluation("test", 0.625), Evaluation("train-validation", 1)});
  EXPECT_THAT(Steps(), ElementsAre(1, 1));
  EXPECT_EQ(Scalar(Events().back(), "result/test/sketch-to-photo/rank1"), 0.625);
  EXPECT_EQ(Scalar(Events().back(), "result/train-validation/sketch-to-photo/rank1"), 1);
}

TEST_F(EventLogTest, FolderThatCannotBeWrittenIsNoError) {
  EventLog log("/nowhere", 0, "");
  log.WriteEpoch(Epoch(2, 1), {});
  log.WriteResults({Evaluation("test", 0.5)});
  EXPECT_FALSE(std::filesystem::exists("/nowhere"));
}

TEST_F(EventLogTest, AfterAFailedWriteTheNextEpochContinuesTheFile) {
  // A link to nowhere that becomes a folder: the first write fails, the second succeeds.
  std::filesystem::create_symlink(dir_.File("later/file"), Path());
  EventLog log = Open();
  log.WriteEpoch(Epoch(1, 1), {});
  std::filesystem::create_directory(dir_.File("later"));
  log.WriteEpoch(Epoch(1, 2), {});
  EXPECT_THAT(Steps(), ElementsAre(2));
}

}  // namespace
}  // namespace s2p::test
