#include "client/watch_display.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

namespace s2p {
namespace {

using testing::HasSubstr;
using testing::Not;

class WatchDisplayTest : public testing::Test {
 protected:
  WatchDisplayOptions Live(int columns = 200) {
    WatchDisplayOptions options;
    options.live = true;
    options.columns = columns;
    options.now = [this] { return now_; };
    return options;
  }
  static v1::WatchJobResponse Running(uint32_t epoch, uint32_t step, double loss = 0.5) {
    v1::WatchJobResponse event;
    event.set_state(v1::Job::STATE_RUNNING);
    v1::TrainingProgress& progress = *event.mutable_progress();
    progress.set_ihda_step(2);
    progress.set_epoch(epoch);
    progress.set_epochs(9);
    progress.set_step(step);
    progress.set_steps(4);
    v1::LossTerm& term = *progress.add_losses();
    term.set_name("identity");
    term.set_value(loss);
    return event;
  }
  static v1::WatchJobResponse State(v1::Job::State state, const std::string& message = "") {
    v1::WatchJobResponse event;
    event.set_state(state);
    event.set_message(message);
    return event;
  }
  std::string Take() {
    const std::string text = out_.str();
    out_.str("");
    return text;
  }

  SteadyTime now_;
  std::ostringstream out_;
};

TEST_F(WatchDisplayTest, EveryEpochIsOneLineOfItsLastEvent) {
  WatchDisplay display(&out_, {});
  display.Show(State(v1::Job::STATE_RUNNING));
  for (const uint32_t epoch : {1, 2}) {
    for (const uint32_t step : {1, 2, 4}) display.Show(Running(epoch, step, epoch + 0.1 * step));
  }
  display.Finish();
  EXPECT_EQ(out_.str(),
            "running\n"
            "step 2 epoch 1/9  identity 1.4\n"
            "step 2 epoch 2/9  identity 2.4\n");
}

TEST_F(WatchDisplayTest, EpochLineHasTheKnownValues) {
  WatchDisplay display(&out_, {});
  v1::WatchJobResponse event = Running(3, 4);
  event.mutable_progress()->set_rank1(0.5);
  event.mutable_progress()->set_mean_average_precision(0.25);
  event.mutable_progress()->set_images_per_second(213.4);
  event.mutable_progress()->mutable_eta()->set_seconds(3723);
  display.Show(event);
  display.Finish();
  EXPECT_THAT(out_.str(), HasSubstr("step 2 epoch 3/9  identity 0.5  rank-1 50.0 %  mAP 25.0 %  "
                                    "213 images/s  1h2m3s left\n"));
}

TEST_F(WatchDisplayTest, EpochInWhichARunWasKilledIsOneLine) {
  WatchDisplay display(&out_, {});
  display.Show(Running(1, 4));
  display.Show(Running(2, 2));
  // Both events repeat the last progress.
  v1::WatchJobResponse queued = Running(1, 4);
  queued.set_state(v1::Job::STATE_QUEUED);
  queued.set_message("goes on later");
  display.Show(queued);
  v1::WatchJobResponse again = Running(1, 4);
  again.set_message("goes on");
  display.Show(again);
  display.Show(Running(2, 1));
  display.Show(Running(2, 4, 0.25));
  display.Finish();
  EXPECT_EQ(out_.str(),
            "running\n"
            "step 2 epoch 1/9  identity 0.5\n"
            "queued: goes on later\nrunning: goes on\n"
            "step 2 epoch 2/9  identity 0.25\n");
}

TEST_F(WatchDisplayTest, MessageAfterAnEpochIsBelowIt) {
  WatchDisplay display(&out_, {});
  display.Show(Running(9, 4));
  v1::WatchJobResponse evaluating = Running(9, 4);
  evaluating.set_message("evaluating");
  display.Show(evaluating);
  display.Finish();
  EXPECT_EQ(out_.str(), "running\nstep 2 epoch 9/9  identity 0.5\nevaluating\n");
}

TEST_F(WatchDisplayTest, StateIsShownOnceWithItsReasonAndTheEndIsNot) {
  WatchDisplay display(&out_, {});
  display.Show(State(v1::Job::STATE_QUEUED));
  display.Show(State(v1::Job::STATE_PAUSED, "the disk is full"));
  display.Show(State(v1::Job::STATE_PAUSED));
  display.Show(State(v1::Job::STATE_FAILED, "no more"));
  EXPECT_EQ(out_.str(), "queued\npaused: the disk is full\n");
}

TEST_F(WatchDisplayTest, MessageEqualToTheStateIsShownOnce) {
  WatchDisplay display(&out_, {});
  display.Show(State(v1::Job::STATE_QUEUED, "queued"));
  EXPECT_EQ(out_.str(), "queued\n");
}

TEST_F(WatchDisplayTest, EpochInWhichTheRunEndedShowsItsProgress) {
  WatchDisplay display(&out_, {});
  display.Show(State(v1::Job::STATE_RUNNING));
  display.Show(Running(3, 2));
  display.Show(State(v1::Job::STATE_CANCELLED));
  display.Finish();
  EXPECT_EQ(out_.str(), "running\nstep 2 epoch 3/9, update 2/4  identity 0.5\n");
}

TEST_F(WatchDisplayTest, MessagesCannotSteerTheTerminal) {
  WatchDisplay display(&out_, {});
  display.Show(State(v1::Job::STATE_RUNNING, "a\033[2Jb\nc"));
  EXPECT_EQ(out_.str(), "running: a\\x1b[2Jb\\nc\n");
}

TEST_F(WatchDisplayTest, LiveLineIsDrawnInPlace) {
  WatchDisplay display(&out_, Live());
  display.Show(State(v1::Job::STATE_RUNNING));
  Take();
  display.Show(Running(3, 2));
  EXPECT_EQ(Take(), "\rstep 2 epoch 3/9 [##########..........] 2/4  identity 0.5\033[K");
  now_ += absl::Milliseconds(100);
  display.Show(Running(3, 3));
  EXPECT_THAT(Take(), HasSubstr("\rstep 2 epoch 3/9 [###############.....] 3/4"));
}

TEST_F(WatchDisplayTest, LiveLineIsNotDrawnMoreThanTenTimesASecond) {
  WatchDisplay display(&out_, Live());
  display.Show(State(v1::Job::STATE_RUNNING));
  display.Show(Running(3, 2));
  Take();
  now_ += absl::Milliseconds(99);
  display.Show(Running(3, 3));
  EXPECT_EQ(Take(), "");
}

TEST_F(WatchDisplayTest, LiveLineFitsTheTerminal) {
  WatchDisplay display(&out_, Live(/*columns=*/20));
  display.Show(State(v1::Job::STATE_RUNNING));
  Take();
  display.Show(Running(3, 2));
  EXPECT_EQ(Take(), "\rstep 2 epoch 3/9 [#\033[K");
}

TEST_F(WatchDisplayTest, LiveLineIsGoneBeforeALineAndAtTheEnd) {
  {
    WatchDisplay display(&out_, Live());
    display.Show(State(v1::Job::STATE_RUNNING));
    display.Show(Running(3, 2));
    Take();
    display.Note("a note");
    EXPECT_EQ(Take(), "\r\033[Ka note\n");
    now_ += absl::Seconds(1);
    display.Show(Running(3, 3));
    Take();
  }
  EXPECT_EQ(Take(), "\r\033[K");
}

TEST_F(WatchDisplayTest, LiveDisplayWritesNoEpochLines) {
  WatchDisplay display(&out_, Live());
  display.Show(Running(1, 4));
  display.Show(Running(2, 4));
  display.Finish();
  EXPECT_THAT(out_.str(), Not(HasSubstr("epoch 1/9  ")));
}

TEST(JobTextTest, StatesHaveTheirNames) {
  EXPECT_EQ(JobStateText(v1::Job::STATE_SUCCEEDED), "succeeded");
  EXPECT_EQ(JobStateText(static_cast<v1::Job::State>(42)), "state 42");
}

TEST(JobTextTest, BeforeTheFirstUpdateThereIsNoEpoch) {
  EXPECT_EQ(EpochText(v1::TrainingProgress()), "");
}

}  // namespace
}  // namespace s2p
