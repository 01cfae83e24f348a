#include "trainer/ihda/attribute_selection.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <set>

#include "absl/strings/str_cat.h"
#include "model/checkpoint_store.h"
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
  std::set<std::string> trained, terms_back;
  options.on_progress = [&](const std::string& what, const v1::TrainingProgress& progress) {
    trained.insert(absl::StrCat(what, " ", progress.ihda_step()));
    if (what != "target") return;
    for (const v1::LossTerm& term : progress.losses()) terms_back.insert(term.name());
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
  EXPECT_EQ(trained, (std::set<std::string>{"source 1", "source 2", "target 1"}))
      << "the whole method on the way there, E1 and C_att on the way back";
  EXPECT_EQ(terms_back, (std::set<std::string>{"attribute", "total"}));
}

// The paths of the photos of the predicted data set, as the target has them.
std::set<std::string> Predicted(const std::string& work_dir) {
  const auto predicted = DataSet::Open(work_dir);
  EXPECT_THAT(predicted, IsOk()) << "what it was trained on can be looked at";
  std::set<std::string> paths;
  for (const DataSetImage& image : predicted->images()) {
    EXPECT_EQ(image.split, "train");
    paths.insert(image.path.substr(std::string("target/").size()));
  }
  return paths;
}

TEST_F(AttributeSelectionTest, AttributesArePredictedForPhotosThatWereNotTrainedOn) {
  const auto spec =
      ResolveSpec(With(Spec(), {"step1.epochs=1", "step2.epochs=1", "pair_fraction=0.8"}));
  AttributeSelectionOptions options;
  options.work_dir = dir_.File("predicted");
  options.threads = 1;
  ASSERT_THAT(SelectAttributes(*spec, options), IsOk());
  const auto data_sets = OpenTrainingDataSets(*spec);
  ASSERT_THAT(data_sets, IsOk());
  std::set<std::string> untrained;
  for (const DataSetImage& image : data_sets->target.images()) {
    if (image.modality == v1::MODALITY_PHOTO && !data_sets->IsTrainedOn(image)) {
      untrained.insert(image.path);
    }
  }
  EXPECT_GT(untrained.size(), 4u) << "the test split and what is held back";
  EXPECT_EQ(Predicted(options.work_dir), untrained);
}

TEST_F(AttributeSelectionTest, ChosenAttributesAloneAreMeasured) {
  const auto source = DataSet::Open(Source());
  const std::string one = source->attributes()[2];
  AttributeSelectionOptions options;
  options.work_dir = dir_.File("predicted");
  options.threads = 1;
  const auto selected = SelectAttributes(
      *ResolveSpec(With(Spec(), {"step1.epochs=1", "step2.epochs=1", "attributes=" + one})),
      options);
  ASSERT_THAT(selected, IsOk());
  ASSERT_EQ(selected->size(), 1u);
  EXPECT_EQ((*selected)[0].back.name, one);
}

// A version has seen the truth, so the way back starts without it.
TEST_F(AttributeSelectionTest, WayBackDoesNotStartFromAVersion) {
  const CheckpointStore store(dir_.File("store"));
  const auto model = *(*Create(Spec()))->Model({}, "job");
  ASSERT_THAT(store.Publish(model.manifest, model.weights), IsOk());
  AttributeSelectionOptions options;
  options.work_dir = dir_.File("predicted");
  options.checkpoint_root = store.root();
  options.threads = 1;
  std::set<std::string> trained;
  options.on_progress = [&](const std::string& what, const v1::TrainingProgress& progress) {
    trained.insert(absl::StrCat(what, " ", progress.ihda_step()));
  };
  const auto spec = With(Spec(), {"initial_version=1", "step2.epochs=1"});
  ASSERT_THAT(SelectAttributes(*ResolveSpec(spec), options), IsOk());
  EXPECT_EQ(trained, (std::set<std::string>{"source 2", "target 1"}));
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
