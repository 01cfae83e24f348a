#include "trainer/ihda/attribute_selection.h"

#include <gmock/gmock.h>

#include <filesystem>

#include "tests/testing/status_matchers.h"
#include "tests/trainer/tiny_run.h"
#include "trainer/data/data_set.h"
#include "trainer/evaluation/attribute_accuracy.h"
#include "trainer/evaluation/cross_validation.h"

namespace s2p::test {
namespace {

using testing::HasSubstr;

TEST(AttributeAccuracyTest, CountsSidesOfAHalfAndLeavesUnknownOut) {
  const float nan = std::nanf("");
  EmbeddingMatrix p(4, 2);
  const float rows[4][2] = {{0.9F, 0.1F}, {0.2F, 0.5F}, {0.6F, 0.7F}, {0.1F, 0.1F}};
  for (int i = 0; i < 4; ++i) std::copy_n(rows[i], 2, p.row(i).begin());
  const auto of = AttributeAccuracies(p, {1, nan, 1, 1, 1, 1, 0, nan}, {"a", "b"});
  EXPECT_EQ(of[0].known, 4);
  EXPECT_EQ(of[0].positives, 3);
  EXPECT_DOUBLE_EQ(of[0].accuracy, 0.75);
  EXPECT_DOUBLE_EQ(of[0].balanced_accuracy, (2.0 / 3 + 1) / 2);
  EXPECT_EQ(of[1].known, 2);
  EXPECT_DOUBLE_EQ(of[1].balanced_accuracy, 1) << "one kind only: the accuracy";
}

TEST(AttributeAccuracyTest, AlwaysGuessingTheCommonerValueIsBalancedAtAHalf) {
  EmbeddingMatrix p(10, 1);
  std::vector<float> values(10, 0);
  values[3] = 1;
  const auto of = AttributeAccuracies(p, values, {"rare"});
  EXPECT_DOUBLE_EQ(of[0].accuracy, 0.9);
  EXPECT_DOUBLE_EQ(of[0].balanced_accuracy, 0.5);
}

TEST(CrossValidationTest, MeanAndSampleDeviationOfEachFraction) {
  std::vector<v1::Evaluation> splits(3);
  const double rank1[] = {0.5, 0.6, 0.7};
  for (int i = 0; i < 3; ++i) {
    splits[i].set_rank1(rank1[i]);
    splits[i].set_mean_average_precision(0.25);
    splits[i].set_queries(50);
    splits[i].set_direction("sketch-to-photo");
  }
  const EvaluationSpread spread = SpreadOf(splits);
  EXPECT_EQ(spread.splits, 3);
  EXPECT_EQ(spread.mean.queries(), 150u);
  EXPECT_NEAR(spread.mean.rank1(), 0.6, 1e-12);
  EXPECT_NEAR(spread.deviation.rank1(), 0.1, 1e-12);
  EXPECT_NEAR(spread.deviation.mean_average_precision(), 0, 1e-12);
}

TEST(CrossValidationTest, OneSplitHasNoDeviation) {
  std::vector<v1::Evaluation> one(1);
  one[0].set_rank1(0.4);
  EXPECT_EQ(SpreadOf(one).deviation.rank1(), 0);
}

using AttributeSelectionTest = TinyRunTest;

TEST_F(AttributeSelectionTest, EveryAttributeIsMeasuredBackOnTheSource) {
  AttributeSelectionOptions options;
  options.work_dir = dir_.File("predicted");
  options.threads = 1;
  std::set<std::string> trained;
  options.on_progress = [&](const std::string& what, const v1::TrainingProgress& progress) {
    EXPECT_EQ(progress.ihda_step(), 1u);
    trained.insert(what);
  };
  const auto selected = SelectAttributes(*ResolveSpec(Spec()), options);
  ASSERT_THAT(selected, IsOk());
  const auto source = DataSet::Open(Source());
  ASSERT_EQ(selected->size(), source->attributes().size());
  for (size_t i = 0; i < selected->size(); ++i) {
    const SelectedAttribute& attribute = (*selected)[i];
    EXPECT_EQ(attribute.back.name, source->attributes()[i]);
    EXPECT_EQ(attribute.back.known, 48) << "three photos of 16 shoes";
    EXPECT_EQ(attribute.kept, attribute.back.balanced_accuracy >= 0.6);
  }
  EXPECT_EQ(trained, (std::set<std::string>{"source", "target"}));
  EXPECT_THAT(DataSet::Open(options.work_dir), IsOk()) << "what it was trained on can be looked at";
}

TEST_F(AttributeSelectionTest, WithoutSourceOrTermItSaysWhatIsMissing) {
  AttributeSelectionOptions options;
  options.work_dir = dir_.File("predicted");
  const auto message = [&](const std::vector<std::string>& fields) {
    const auto selected = SelectAttributes(*ResolveSpec(With(Spec(), fields)), options);
    EXPECT_THAT(selected, StatusIs(absl::StatusCode::kInvalidArgument));
    return std::string(selected.status().message());
  };
  EXPECT_THAT(message({"source_dataset="}), HasSubstr("source_dataset"));
  EXPECT_THAT(message({"loss.attribute=0"}), HasSubstr("loss.attribute"));
  EXPECT_FALSE(std::filesystem::exists(options.work_dir));
}

}  // namespace
}  // namespace s2p::test
