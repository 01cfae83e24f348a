// Runs whose loss ranks the photos of a batch (loss.photo_neighbours).
#include <gmock/gmock.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "tests/testing/status_matchers.h"
#include "tests/trainer/tiny_run.h"

namespace s2p::test {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class PhotoNeighboursTest : public TinyRunTest {
 protected:
  // Step 2 alone, an epoch of it, without the term.
  static v1::TrainingSpec Plain(const std::vector<std::string>& fields = {}) {
    return With(With(Spec(), {"source_dataset=", "step2.epochs=1"}), fields);
  }
  static v1::TrainingSpec Ranked(const std::vector<std::string>& fields = {}) {
    return With(Plain({"loss.photo_neighbours.weight=10"}), fields);
  }
  static v1::TrainingSpec RankedAfterAStep(const std::vector<std::string>& fields = {}) {
    return With(Ranked({"loss.photo_neighbours.meta_step=true"}), fields);
  }
  // The weights of a run that is stopped after each epoch and resumed by a new trainer.
  TensorMap TrainWithStops(const v1::TrainingSpec& spec, const std::string& state_file) {
    IhdaTrainerOptions options;
    options.state_file = state_file;
    bool stop = false;
    options.observer.on_epoch = [&](const auto&, const auto&) { stop = true; };
    options.observer.stop = [&] { return stop; };
    absl::Status status = absl::CancelledError("");
    std::unique_ptr<IhdaTrainer> trainer;
    for (int run = 0; absl::IsCancelled(status) && run < 10; ++run) {
      stop = false;
      auto created = Create(spec, options);
      EXPECT_THAT(created, IsOk());
      if (!created.ok()) return {};
      trainer = *std::move(created);
      EXPECT_EQ(trainer->resumed(), run > 0);
      status = trainer->Run();
    }
    EXPECT_THAT(status, IsOk());
    return trainer->Model({}, "job")->weights;
  }
};

TEST_F(PhotoNeighboursTest, OtherFieldsDoNothingWithoutTheWeight) {
  EXPECT_THAT(
      Differences(Train(Plain()), Train(RankedAfterAStep({"loss.photo_neighbours.weight=0",
                                                          "loss.photo_neighbours.triplets=3",
                                                          "loss.photo_neighbours.margin=0.5"}))),
      IsEmpty());
}

TEST_F(PhotoNeighboursTest, BatchesThatAreTooSmallAreReported) {
  const auto said = [&](const std::string& batch_size) {
    std::vector<std::string> sentences;
    IhdaTrainerOptions options;
    options.observer.on_message = [&](const std::string& text) { sentences.push_back(text); };
    Train(Ranked({"step2.batch_size=" + batch_size}), options);
    return sentences;
  };
  EXPECT_THAT(said("12"), Not(Contains(HasSubstr("loss.photo_neighbours is off"))));
  EXPECT_THAT(said("4"), Contains(HasSubstr("loss.photo_neighbours is off in 5 of 5 batches of an "
                                            "epoch, which have fewer than 3 pairs")));
}

TEST_F(PhotoNeighboursTest, EachFieldChangesTheWeights) {
  const TensorMap ranked = Train(Ranked());
  for (const char* field :
       {"loss.photo_neighbours.weight=5", "loss.photo_neighbours.triplets=3",
        "loss.photo_neighbours.margin=0.5", "loss.photo_neighbours.meta_step=true"}) {
    EXPECT_THAT(Differences(ranked, Train(Ranked({field}))), Not(IsEmpty())) << field;
  }
}

// The run that is resumed has to look at the photos with the networks that step 2 started from, and
// to draw the same triplets.
TEST_F(PhotoNeighboursTest, InterruptedRunsEndWithTheSameBits) {
  const std::vector<v1::TrainingSpec> specs = {
      RankedAfterAStep({"step2.epochs=3", "backbone.shared=false"}),
      RankedAfterAStep({"step2.epochs=2", "averaging.runs=2", "source_dataset=" + Source()}),
      Ranked({"step2.epochs=3", "step2.accumulate=2", "channels_last=true",
              "averaging.start_share=0.2"})};
  for (size_t i = 0; i < specs.size(); ++i) {
    EXPECT_THAT(Differences(Train(specs[i]),
                            TrainWithStops(specs[i], dir_.File("resume" + std::to_string(i)))),
                IsEmpty())
        << "spec " << i;
  }
}

TEST_F(PhotoNeighboursTest, EveryRepeatRanksByTheSameStart) {
  int looks = 0;
  IhdaTrainerOptions options;
  options.observer.on_message = [&](const std::string& sentence) {
    if (absl::StrContains(sentence, "with the network that step 2 starts from")) ++looks;
  };
  Train(Ranked({"averaging.runs=2"}), options);
  EXPECT_EQ(looks, 1);
  Train(Plain(), options);
  EXPECT_EQ(looks, 1) << "nobody asks without the term";
}

// Names and values of the losses of one update.
using Losses = std::map<std::string, double>;

TEST_F(PhotoNeighboursTest, TotalHasTheTermOfTheMetaStepToo) {
  for (const v1::TrainingSpec& spec : {Ranked(), RankedAfterAStep()}) {
    Losses losses;
    IhdaTrainerOptions options;
    options.observer.on_progress = [&](const v1::TrainingProgress& progress) {
      for (const v1::LossTerm& term : progress.losses()) losses.emplace(term.name(), term.value());
    };
    options.observer.stop = [&] { return !losses.empty(); };
    EXPECT_THAT((*Create(spec, options))->Run(), StatusIs(absl::StatusCode::kCancelled));
    ASSERT_EQ(losses.size(), 5u);
    EXPECT_GT(losses["photo_neighbours"], 0);
    EXPECT_NEAR(losses["total"],
                losses["identity"] + losses["triplet"] + losses["contrastive"] +
                    10 * losses["photo_neighbours"],
                1e-5);
  }
}

// Two pairs have no third photo to rank.
TEST_F(PhotoNeighboursTest, BatchesOfTwoPairsAreTrainedOnWithoutTheTerm) {
  const std::vector<std::string> two = {"step2.batch_size=4", "validation.fraction=0"};
  const TensorMap without = Train(Plain(two));
  EXPECT_THAT(Differences(without, Train(Ranked(two))), IsEmpty());
  EXPECT_THAT(Differences(without, Train(RankedAfterAStep(two))), IsEmpty());
}

}  // namespace
}  // namespace s2p::test
