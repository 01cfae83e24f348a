// validation.keep_best: the best epoch on the held-back identities instead of the last.
#include <gmock/gmock.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "tests/testing/status_matchers.h"
#include "tests/trainer/tiny_run.h"
#include "trainer/ihda/ihda_trainer.h"
#include "trainer/optimization/weight_average.h"

namespace s2p::test {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::Each;
using testing::HasSubstr;
using testing::IsEmpty;

class KeepBestTest : public TinyRunTest {
 protected:
  static constexpr int kEpochs = 4;

  // Step 2 alone, every epoch evaluated, at a rate that makes the last epoch not the best.
  static v1::TrainingSpec Spec(const std::vector<std::string>& fields) {
    return With(
        With(TinyRunTest::Spec(),
             {"source_dataset=", absl::StrCat("step2.epochs=", kEpochs), "step2.cosine=false",
              "step2.learning_rate=0.05", "validation.every_epochs=1", "validation.fraction=0.5"}),
        fields);
  }
  static v1::TrainingSpec Best(const v1::TrainingSpec& spec) {
    return With(spec, {"validation.keep_best=true"});
  }
  // mAP after each epoch of a run, over all repeats, and the weights after each epoch of its last.
  struct Epochs {
    std::vector<double> precision;
    std::vector<TensorMap> weights;
  };
  Epochs Follow(const v1::TrainingSpec& spec) {
    Epochs epochs;
    std::unique_ptr<IhdaTrainer> trainer;
    IhdaTrainerOptions options;
    options.observer.on_epoch = [&](const v1::TrainingProgress&,
                                    const std::vector<v1::Evaluation>& evaluations) {
      epochs.precision.push_back(evaluations.at(0).mean_average_precision());
      epochs.weights.push_back(trainer->Model({}, "job")->weights);
    };
    trainer = *Create(spec, options);
    EXPECT_THAT(trainer->Run(), IsOk());
    return epochs;
  }
  // The spec with the first seed with which the last epoch of a repeat is not its best, which
  // depends on how the CPU rounds; `epochs` is its run.
  static constexpr int kMostSeeds = 20;
  v1::TrainingSpec SpecWhoseLastEpochIsNotTheBest(std::vector<std::string> fields, Epochs& epochs) {
    fields.emplace_back();
    for (int seed = 1; seed <= kMostSeeds; ++seed) {
      fields.back() = absl::StrCat("seed=", seed);
      epochs = Follow(Spec(fields));
      for (size_t begin = 0; begin < epochs.weights.size(); begin += kEpochs) {
        if (BestOf(epochs, begin) + 1 < begin + kEpochs) return Spec(fields);
      }
    }
    ADD_FAILURE() << "the last epoch is always the best: nothing is tested";
    return Spec(fields);
  }
  // The first of the best epochs from `begin`, of one repeat.
  static size_t BestOf(const Epochs& epochs, size_t begin) {
    const auto first = epochs.precision.begin() + static_cast<int64_t>(begin);
    return static_cast<size_t>(std::max_element(first, first + kEpochs) - epochs.precision.begin());
  }
};

TEST_F(KeepBestTest, WeightsAreThoseOfTheBestEpoch) {
  Epochs epochs;
  const v1::TrainingSpec spec = SpecWhoseLastEpochIsNotTheBest({}, epochs);
  EXPECT_THAT(Differences(epochs.weights[BestOf(epochs, 0)], Train(Best(spec))), IsEmpty());
}

TEST_F(KeepBestTest, BestOfEachRepeatIsAveragedWithTheStart) {
  const std::vector<std::string> averaged = {"averaging.runs=2", "averaging.start_share=0.25"};
  Epochs epochs;
  const v1::TrainingSpec spec = SpecWhoseLastEpochIsNotTheBest(averaged, epochs);
  ASSERT_EQ(epochs.weights.size(), 2u * kEpochs);
  WeightAverage expected;
  for (const size_t begin : {0, kEpochs}) expected.Add(epochs.weights[BestOf(epochs, begin)]);
  const TensorMap start =
      Train(With(spec, {"averaging.runs=1", "averaging.start_share=0", "step2.epochs=0"}));
  const TensorMap kept = Train(Best(spec));
  EXPECT_THAT(Differences(expected.Mean(start, 0.25), kept), Each(HasSubstr(".running_")))
      << "statistics are estimated again";
  EXPECT_FALSE(Differences(Train(spec), kept).empty());
}

TEST_F(KeepBestTest, BothResultsAreReported) {
  IhdaTrainerOptions options;
  std::vector<std::string> messages;
  options.observer.on_message = [&](const std::string& text) { messages.push_back(text); };
  for (const char* runs : {"averaging.runs=1", "averaging.runs=2"}) {
    auto trainer = *Create(Best(Spec({runs})), options);
    ASSERT_THAT(trainer->Run(), IsOk());
    const auto evaluations = *trainer->EvaluateAll();
    ASSERT_EQ(evaluations.size(), 8u) << "two sets, two directions, best and last";
    auto last = *Create(Spec({runs}));
    ASSERT_THAT(last->Run(), IsOk());
    const auto expected = *last->EvaluateAll();
    EXPECT_EQ(evaluations[0].split(), "train-validation");
    for (size_t i = 0; i < 4; ++i) {
      EXPECT_EQ(evaluations[4 + i].split(), expected[i].split() + "-last-epoch");
      EXPECT_EQ(evaluations[4 + i].direction(), expected[i].direction());
      EXPECT_EQ(evaluations[4 + i].mean_average_precision(), expected[i].mean_average_precision());
    }
    // Measuring the last epoch has not replaced the weights that are kept.
    EXPECT_THAT(Differences(Train(Best(Spec({runs}))), trainer->Model({}, "job")->weights),
                IsEmpty());
  }
  EXPECT_THAT(messages, Contains(AllOf(HasSubstr("kept epoch "), HasSubstr("epoch 4, has"))));
}

class InterruptedKeepBestTest : public KeepBestTest, public testing::WithParamInterface<int> {};

INSTANTIATE_TEST_SUITE_P(Runs, InterruptedKeepBestTest, testing::Values(1, 2));

// Stops after each epoch, and resumes in a new trainer; the last one has nothing left to train.
TEST_P(InterruptedKeepBestTest, EndsWithTheSameBitsAndBothResults) {
  const v1::TrainingSpec spec = Best(Spec({absl::StrCat("averaging.runs=", GetParam())}));
  auto whole = *Create(spec);
  ASSERT_THAT(whole->Run(), IsOk());
  IhdaTrainerOptions options;
  options.state_file = dir_.File("resume");
  bool stop = false;
  options.observer.on_epoch = [&](const auto&, const auto&) { stop = true; };
  options.observer.stop = [&] { return stop; };
  for (int run = 0; run < kEpochs * GetParam(); ++run) {
    stop = false;
    const absl::Status status = (*Create(spec, options))->Run();
    ASSERT_TRUE(status.ok() || absl::IsCancelled(status)) << status;
  }
  stop = false;
  options.observer.on_epoch = [](const auto&, const auto&) { ADD_FAILURE() << "an epoch is left"; };
  auto resumed = *Create(spec, options);
  ASSERT_THAT(resumed->Run(), IsOk());
  EXPECT_THAT(Differences(whole->Model({}, "job")->weights, resumed->Model({}, "job")->weights),
              IsEmpty());
  const auto expected = *whole->EvaluateAll(), evaluations = *resumed->EvaluateAll();
  ASSERT_EQ(evaluations.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(evaluations[i].SerializeAsString(), expected[i].SerializeAsString()) << i;
  }
}

TEST_F(KeepBestTest, LastEpochIsEvaluatedToo) {
  EXPECT_EQ(Follow(Best(Spec({"step2.epochs=1", "validation.every_epochs=5"}))).precision.size(),
            1u);
}

TEST_F(KeepBestTest, WithoutHeldBackIdentitiesItIsRefused) {
  EXPECT_THAT(Create(Best(Spec({"validation.fraction=0"}))),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("validation.keep_best"), HasSubstr("validation.fraction"))));
}

}  // namespace
}  // namespace s2p::test
