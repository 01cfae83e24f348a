// Runs whose loss ranks the photos of a batch (loss.photo_neighbours).
#include <gmock/gmock.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_join.h"
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
  // Strong enough for other weights at once.
  static v1::TrainingSpec Ranked(const std::vector<std::string>& fields = {}) {
    return With(With(Spec(), {"loss.photo_neighbours.weight=10"}), fields);
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
      Differences(Train(Spec()), Train(With(Spec(), {"loss.photo_neighbours.weight=0",
                                                     "loss.photo_neighbours.triplets=3",
                                                     "loss.photo_neighbours.margin=0.5",
                                                     "loss.photo_neighbours.meta_step=true"}))),
      IsEmpty());
}

TEST_F(PhotoNeighboursTest, EachFieldChangesTheWeights) {
  const std::vector<v1::TrainingSpec> specs = {Spec(),
                                               Ranked(),
                                               Ranked({"loss.photo_neighbours.weight=5"}),
                                               Ranked({"loss.photo_neighbours.triplets=3"}),
                                               Ranked({"loss.photo_neighbours.margin=0.5"}),
                                               RankedAfterAStep()};
  std::vector<TensorMap> weights;
  for (const v1::TrainingSpec& spec : specs) {
    weights.push_back(Train(spec));
    for (size_t i = 0; i + 1 < weights.size(); ++i) {
      EXPECT_THAT(Differences(weights.back(), weights[i]), Not(IsEmpty()))
          << weights.size() - 1 << " and " << i;
    }
  }
}

// The run that is resumed has to look at the photos with the networks that step 2 started from, and
// to draw the same triplets.
TEST_F(PhotoNeighboursTest, InterruptedRunsEndWithTheSameBits) {
  const std::vector<v1::TrainingSpec> specs = {
      Ranked(), RankedAfterAStep(), RankedAfterAStep({"averaging.runs=2", "source_dataset="}),
      RankedAfterAStep({"backbone.shared=false", "source_dataset=", "step2.epochs=3"}),
      Ranked({"step2.accumulate=2", "channels_last=true", "averaging.start_share=0.2"})};
  for (size_t i = 0; i < specs.size(); ++i) {
    EXPECT_THAT(Differences(Train(specs[i]),
                            TrainWithStops(specs[i], dir_.File("resume" + std::to_string(i)))),
                IsEmpty())
        << "spec " << i;
  }
}

TEST_F(PhotoNeighboursTest, EveryRepeatRanksByTheSameStart) {
  std::vector<std::string> said;
  IhdaTrainerOptions options;
  options.observer.on_message = [&](const std::string& sentence) { said.push_back(sentence); };
  Train(RankedAfterAStep({"averaging.runs=2"}), options);
  EXPECT_EQ(
      std::count_if(said.begin(), said.end(),
                    [](const std::string& sentence) {
                      return sentence.find("photos with the network that step 2 starts from") !=
                             std::string::npos;
                    }),
      1)
      << absl::StrJoin(said, "\n");
  said.clear();
  Train(Spec(), options);
  EXPECT_THAT(said, Not(Contains(HasSubstr("that step 2 starts from"))));
}

// Names and values of the losses of one update.
using Losses = std::map<std::string, double>;

TEST_F(PhotoNeighboursTest, TotalHasTheTermOfTheMetaStepToo) {
  for (const v1::TrainingSpec& spec :
       {Ranked({"source_dataset="}), RankedAfterAStep({"source_dataset="})}) {
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
  const std::vector<std::string> two = {"step2.batch_size=4",
                                        "source_dataset=", "validation.fraction=0"};
  const TensorMap without = Train(With(Spec(), two));
  EXPECT_THAT(Differences(without, Train(Ranked(two))), IsEmpty());
  EXPECT_THAT(Differences(without, Train(RankedAfterAStep(two))), IsEmpty());
}

}  // namespace
}  // namespace s2p::test
