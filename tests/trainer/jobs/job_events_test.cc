#include "trainer/jobs/job_events.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace s2p::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class JobEventsTest : public testing::Test {
 protected:
  JobEventsTest() { Reopen(); }
  void Reopen() {
    auto events = JobEvents::Open(path_);
    ASSERT_THAT(events, IsOk());
    events_ = *std::move(events);
  }
  void Append(const std::string& message) {
    v1::WatchJobResponse event;
    event.set_state(v1::Job::STATE_RUNNING);
    event.set_message(message);
    ASSERT_THAT(events_->Append(event, /*sync=*/false), IsOk());
  }
  // Number and message of each event from there on.
  std::vector<std::string> Read(int64_t from_event) {
    JobEventReader reader(events_, from_event);
    std::vector<std::string> texts;
    for (;;) {
      const auto event = reader.Next();
      EXPECT_THAT(event, IsOk());
      if (!event.ok() || !event->has_value()) return texts;
      texts.push_back(absl::StrCat((*event)->event(), " ", (*event)->message()));
    }
  }
  std::string Text() {
    std::ifstream file(path_);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
  }
  void Write(const std::string& text) { std::ofstream(path_) << text; }

  TempDir dir_;
  const std::string path_ = dir_.File("events.jsonl");
  std::shared_ptr<JobEvents> events_;
};

TEST_F(JobEventsTest, NumbersBeginAtOne) {
  EXPECT_EQ(events_->last_event(), 0);
  Append("a");
  Append("b\n\"c\"");
  EXPECT_EQ(events_->last_event(), 2);
  EXPECT_THAT(Read(0), ElementsAre("1 a", "2 b\n\"c\""));
  EXPECT_THAT(Read(1), ElementsAre("1 a", "2 b\n\"c\""));
}

TEST_F(JobEventsTest, ReadingBeginsWhereAsked) {
  for (const char* message : {"a", "b", "c"}) Append(message);
  EXPECT_THAT(Read(2), ElementsAre("2 b", "3 c"));
  EXPECT_THAT(Read(4), IsEmpty());
}

TEST_F(JobEventsTest, ReaderGoesOnWithWhatComesLater) {
  JobEventReader reader(events_, 2);
  EXPECT_FALSE(reader.Next()->has_value());
  Append("a");
  EXPECT_FALSE(reader.Next()->has_value());
  Append("b");
  EXPECT_EQ((*reader.Next())->message(), "b");
}

TEST_F(JobEventsTest, NumbersGoOnAfterReopening) {
  Append("a");
  Reopen();
  Append("b");
  EXPECT_THAT(Read(1), ElementsAre("1 a", "2 b"));
}

TEST_F(JobEventsTest, TornEndIsDroppedAndWrittenOverWhereverItIsTorn) {
  Append("a");
  const std::string one = Text();
  Append("b");
  const std::string two = Text();
  for (size_t length = one.size(); length < two.size(); ++length) {
    Write(two.substr(0, length));
    Reopen();
    ASSERT_EQ(events_->last_event(), 1) << length;
    Append("c");
    ASSERT_THAT(Read(1), ElementsAre("1 a", "2 c")) << length;
    Reopen();
    ASSERT_THAT(Read(1), ElementsAre("1 a", "2 c")) << length;
  }
}

TEST_F(JobEventsTest, ZerosAtTheEndAreDropped) {
  Append("a");
  Write(Text() + std::string(5000, '\0'));
  Reopen();
  Append("b");
  EXPECT_THAT(Read(1), ElementsAre("1 a", "2 b"));
}

TEST_F(JobEventsTest, DamagedEventIsNamed) {
  Append("a");
  std::string text = Text();
  text[text.find("STATE_RUNNING")] = '"';
  Write(text);
  JobEventReader reader(events_, 1);
  const absl::Status status = reader.Next().status();
  EXPECT_THAT(status,
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr(path_ + ": event 1 is damaged")));
}

TEST_F(JobEventsTest, ManyEventsAreReadInPieces) {
  const std::string message(1000, 'x');
  for (int i = 0; i < 500; ++i) Append(message);
  EXPECT_EQ(Read(1).size(), 500u);
  EXPECT_THAT(Read(500), ElementsAre("500 " + message));
  Reopen();
  EXPECT_EQ(events_->last_event(), 500);
}

TEST_F(JobEventsTest, LongTextsAreCut) {
  Append(std::string(1 << 20, '\1'));
  EXPECT_EQ(Read(1).at(0).size(), 2u + (16u << 10));
}

TEST_F(JobEventsTest, FolderThatIsGoneUsesUpNoNumber) {
  TempDir other;
  std::filesystem::create_directory(other.File("job"));
  auto events = JobEvents::Open(other.File("job/events.jsonl"));
  ASSERT_THAT(events, IsOk());
  std::filesystem::remove(other.File("job"));
  EXPECT_THAT((*events)->Append({}, true), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_EQ((*events)->last_event(), 0);
  std::filesystem::create_directory(other.File("job"));
  EXPECT_THAT((*events)->Append({}, true), IsOk());
  EXPECT_EQ((*events)->last_event(), 1);
}

TEST_F(JobEventsTest, FullDiskUsesUpNoNumber) {
  const auto full = JobEvents::Open("/dev/full");
  ASSERT_THAT(full, IsOk());
  EXPECT_THAT((*full)->Append({}, false), StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_EQ((*full)->last_event(), 0);
}

class ShortenedJobEventsTest : public JobEventsTest {
 protected:
  static constexpr int64_t kMostBytes = 20'000;

  ShortenedJobEventsTest() { ReopenShort(); }
  void ReopenShort() {
    auto events = JobEvents::Open(path_, kMostBytes);
    ASSERT_THAT(events, IsOk());
    events_ = *std::move(events);
  }
  void AppendProgress(uint32_t epoch, uint32_t step) {
    v1::WatchJobResponse event;
    event.set_state(v1::Job::STATE_RUNNING);
    event.mutable_progress()->set_epoch(epoch);
    event.mutable_progress()->set_step(step);
    event.mutable_progress()->set_steps(100);
    ASSERT_THAT(events_->Append(event, /*sync=*/false), IsOk());
  }
  // Six times the limit: epochs of a hundred events.
  void AppendEpochs() {
    while (events_->last_event() < 600) {
      const int64_t done = events_->last_event();
      AppendProgress(static_cast<uint32_t>(done / 100), static_cast<uint32_t>(done % 100 + 1));
    }
  }
  std::vector<int64_t> Numbers(int64_t from_event) {
    JobEventReader reader(events_, from_event);
    std::vector<int64_t> numbers;
    for (auto event = reader.Next(); event.ok() && event->has_value(); event = reader.Next()) {
      numbers.push_back((*event)->event());
    }
    return numbers;
  }
};

TEST_F(ShortenedJobEventsTest, FileStaysBelowItsLimitAndNumbersContinue) {
  AppendEpochs();
  EXPECT_LE(Text().size(), static_cast<size_t>(kMostBytes));
  EXPECT_EQ(events_->last_event(), 600);
  ReopenShort();
  EXPECT_EQ(events_->last_event(), 600);
  Append("next");
  EXPECT_THAT(Read(601), ElementsAre("601 next"));
}

TEST_F(ShortenedJobEventsTest, EndsOfEpochsAndMessagesOutliveTheProgressInBetween) {
  Append("reading the data");
  AppendEpochs();
  const std::vector<int64_t> numbers = Numbers(1);
  ASSERT_GT(numbers.size(), 6u);
  EXPECT_EQ(numbers[0], 1) << "the message";
  EXPECT_EQ(numbers[1], 100) << "the end of the first epoch";
  EXPECT_EQ(numbers[2], 200);
  EXPECT_EQ(numbers.back(), 600);
  EXPECT_LT(numbers.size(), 300u);
}

TEST_F(ShortenedJobEventsTest, EventThatIsGoneIsReplacedByTheNextOneThatIsStored) {
  AppendEpochs();
  EXPECT_EQ(Numbers(2).front(), 100);
  EXPECT_EQ(Numbers(101).front(), 200);
}

TEST_F(ShortenedJobEventsTest, MilestonesAloneStayBelowTheLimit) {
  for (int i = 0; i < 2000; ++i) Append("a message of some length");
  EXPECT_LE(Text().size(), static_cast<size_t>(kMostBytes));
  const std::vector<int64_t> numbers = Numbers(1);
  EXPECT_EQ(numbers.back(), 2000);
  EXPECT_EQ(numbers.back() - numbers.front() + 1, static_cast<int64_t>(numbers.size()))
      << "the newest, without gaps";
}

TEST_F(ShortenedJobEventsTest, LongFileOfAnOlderProgramIsShortened) {
  Reopen();
  while (Text().size() < 10 * kMostBytes) {
    for (int i = 0; i < 100; ++i) Append("old");
  }
  const int64_t last = events_->last_event();
  ReopenShort();
  Append("new");
  EXPECT_LE(Text().size(), static_cast<size_t>(kMostBytes));
  EXPECT_EQ(Numbers(last + 1), std::vector<int64_t>{last + 1});
}

TEST_F(ShortenedJobEventsTest, ReaderThatIsOvertakenContinuesInTheShorterFile) {
  AppendProgress(0, 1);
  JobEventReader reader(events_, 1);
  EXPECT_EQ((*reader.Next())->event(), 1);
  AppendEpochs();
  int64_t last = 1;
  for (auto event = reader.Next(); event.ok() && event->has_value(); event = reader.Next()) {
    EXPECT_GT((*event)->event(), last);
    last = (*event)->event();
  }
  EXPECT_EQ(last, 600);
}

TEST_F(ShortenedJobEventsTest, FileThatCannotBeShortenedGrowsUntilItCan) {
  // A folder in place of the temporary file simulates a failing disk.
  const std::string temporary = dir_.File(".events.jsonl.tmp");
  std::filesystem::create_directories(temporary + "/x");
  AppendEpochs();
  EXPECT_EQ(Numbers(1).size(), 600u);
  std::filesystem::remove_all(temporary);
  while (Text().size() > static_cast<size_t>(kMostBytes)) AppendProgress(9, 1);
  EXPECT_GT(events_->last_event(), 600);
}

TEST_F(JobEventsTest, ReaderBesideAWriterSeesWholeEventsInOrder) {
  std::thread writer([this] {
    for (int i = 0; i < 300; ++i) Append("x");
  });
  JobEventReader reader(events_, 1);
  for (int64_t number = 1; number <= 300;) {
    const auto event = reader.Next();
    ASSERT_THAT(event, IsOk());
    if (!event->has_value()) continue;
    ASSERT_EQ((*event)->event(), number++);
  }
  writer.join();
}

}  // namespace
}  // namespace s2p::test
