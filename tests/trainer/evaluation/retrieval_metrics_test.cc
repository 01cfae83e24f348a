#include "trainer/evaluation/retrieval_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "absl/strings/str_cat.h"
#include "tests/trainer/golden_tensors.h"

namespace s2p::test {
namespace {

EmbeddingMatrix Scores(const std::vector<std::vector<float>>& rows) {
  EmbeddingMatrix scores(static_cast<int>(rows.size()), static_cast<int>(rows[0].size()));
  for (size_t i = 0; i < rows.size(); ++i) {
    std::copy(rows[i].begin(), rows[i].end(), scores.row(static_cast<int>(i)).begin());
  }
  return scores;
}

class RetrievalMetricsGoldenTest : public testing::Test {
 protected:
  void SetUp() override {
    S2P_GOLDEN_OR_SKIP(path, "metrics.safetensors");
    golden_ = std::make_unique<GoldenTensors>(path);
  }
  std::vector<std::string> Identities(const std::string& name) const {
    const auto numbers = (*golden_)[name];
    std::vector<std::string> texts;
    for (int64_t i = 0; i < numbers.numel(); ++i) {
      texts.push_back(absl::StrCat(numbers[i].item<int64_t>()));
    }
    return texts;
  }
  RetrievalResult Evaluated(const std::string& name) const {
    const auto distances = (*golden_)[name + "/distmat"];
    EmbeddingMatrix scores(static_cast<int>(distances.size(0)),
                           static_cast<int>(distances.size(1)));
    for (int64_t q = 0; q < distances.size(0); ++q) {
      for (int64_t g = 0; g < distances.size(1); ++g) {
        scores.row(static_cast<int>(q))[g] = static_cast<float>(-distances[q][g].item<double>());
      }
    }
    return EvaluateScores(scores, Identities(name + "/q_pids"), Identities(name + "/g_pids"));
  }
  std::unique_ptr<GoldenTensors> golden_;
};

TEST_F(RetrievalMetricsGoldenTest, CurvesAndPrecisionsAreTheReferenceProgramsWithoutTies) {
  for (const std::string name :
       {"perfect", "worst", "multi", "no_match", "k_gt_gallery", "random", "pku_like"}) {
    const RetrievalResult result = Evaluated(name);
    golden_->ExpectWithin(torch::tensor(result.mean_average_precision, torch::kFloat64),
                          name + "/mAP", 1e-9);
    EXPECT_EQ(result.valid_queries, (*golden_)[name + "/num_valid"].item<int64_t>()) << name;
    const auto cmc = torch::tensor(result.cmc, torch::kFloat64);
    golden_->ExpectNear(cmc, name + "/cmc_full", 1e-6);
    golden_->ExpectNear(cmc.slice(0, 0, 20), name + "/cmc20", 1e-6);
  }
}

TEST_F(RetrievalMetricsGoldenTest, TopIsTheReferenceProgramsOrderWithoutTies) {
  for (const std::string name : {"multi", "random", "pku_like"}) {
    const RetrievalResult result = Evaluated(name);
    const auto order = (*golden_)[name + "/order"];
    for (size_t q = 0; q < result.top.size(); ++q) {
      for (size_t i = 0; i < result.top[q].size(); ++i) {
        EXPECT_EQ(result.top[q][i],
                  order[static_cast<int64_t>(q)][static_cast<int64_t>(i)].item<int64_t>())
            << name << " " << q;
      }
    }
  }
}

// The reference lets the index decide a tie; ours lets it count against us.
TEST_F(RetrievalMetricsGoldenTest, WithTiesWeAreNeverBetterThanTheReferenceProgram) {
  const RetrievalResult result = Evaluated("small_ties");
  const auto reference = (*golden_)["small_ties/cmc_full"].to(torch::kFloat64);
  for (size_t k = 0; k < result.cmc.size(); ++k) {
    EXPECT_LE(result.cmc[k], reference[static_cast<int64_t>(k)].item<double>() + 1e-6) << k;
  }
  EXPECT_LT(result.mean_average_precision, (*golden_)["small_ties/mAP"].item<double>());
  EXPECT_EQ(result.valid_queries, (*golden_)["small_ties/num_valid"].item<int64_t>());
}

TEST(RetrievalMetricsTest, TiesCountAgainstUs) {
  const auto result = EvaluateScores(Scores({{0.5F, 0.5F, 0.1F}}), {"a"}, {"a", "b", "c"});
  EXPECT_EQ(result.first_match_rank[0], 2);
  EXPECT_DOUBLE_EQ(result.mean_average_precision, 0.5);
}

TEST(RetrievalMetricsTest, InverseNegativePenaltyIsThatOfTheLastMatch) {
  // Query a: matches rank 1 and 4 of 4 rows, so 2 / 4; query b: rank 1, so 1.
  const auto result = EvaluateScores(Scores({{0.9F, 0.5F, 0.4F, 0.1F}, {0.1F, 0.9F, 0.2F, 0.3F}}),
                                     {"a", "b"}, {"a", "b", "c", "a"});
  EXPECT_DOUBLE_EQ(result.mean_inverse_negative_penalty, (0.5 + 1) / 2);
}

TEST(RetrievalMetricsTest, TopIsBestFirstAndATieShowsTheFalseOneFirst) {
  const auto result =
      EvaluateScores(Scores({{0.5F, 0.7F, 0.5F, 0.1F}}), {"a"}, {"a", "b", "c", "d"});
  EXPECT_EQ(result.top[0], (std::vector<int>{1, 2, 0, 3}));
}

TEST(RetrievalMetricsTest, MarginIsOverTheBestOtherImage) {
  const auto result = EvaluateScores(Scores({{0.5F, 0.75F, 0.25F}, {0.5F, 0.25F, 0}, {1, 0, 0}}),
                                     {"a", "a", "none"}, {"a", "b", "a"});
  EXPECT_THAT(result.margin, testing::ElementsAre(-0.25F, 0.25F, 0));
}

TEST(RetrievalMetricsTest, TopHasTenAtMost) {
  const std::vector<float> row(25, 0.5F);
  const auto result = EvaluateScores(Scores({row}), {"a"}, std::vector<std::string>(25, "a"));
  EXPECT_EQ(result.top[0].size(), 10u);
}

TEST(RetrievalMetricsTest, QueryWithoutMatchIsCountedAndLeftOut) {
  const auto result =
      EvaluateScores(Scores({{0.5F, 0.1F}, {0.9F, 0.2F}}), {"none", "a"}, {"a", "b"});
  EXPECT_EQ(result.unmatched_queries, 1);
  EXPECT_EQ(result.valid_queries, 1);
  EXPECT_EQ(result.first_match_rank[0], 0);
  EXPECT_DOUBLE_EQ(result.cmc[0], 1);
}

TEST(RetrievalMetricsTest, RanksBeyondTheGalleryAreTheWholeGallery) {
  const auto result = EvaluateScores(Scores({{0.1F, 0.5F}}), {"a"}, {"a", "b"});
  v1::Evaluation evaluation;
  FillEvaluation(result, 2, evaluation);
  EXPECT_EQ(evaluation.rank1(), 0);
  EXPECT_EQ(evaluation.rank5(), 1);
  EXPECT_EQ(evaluation.rank20(), 1);
  EXPECT_EQ(evaluation.gallery(), 2u);
}

TEST(RetrievalMetricsTest, EmbeddingsAreRankedByCosine) {
  const auto queries = Scores({{1, 0}}), gallery = Scores({{0.6F, 0.8F}, {0.8F, 0.6F}});
  EXPECT_EQ(EvaluateRetrieval(queries, {"b"}, gallery, {"a", "b"}).first_match_rank[0], 1);
}

TEST(RetrievalMetricsTest, EmbeddingThatIsNotANumberRanksLast) {
  const float nan = std::nanf("");
  const auto result = EvaluateRetrieval(Scores({{nan, nan}}), {"a"},
                                        Scores({{1, 0}, {0, 1}, {1, 1}}), {"a", "b", "c"});
  EXPECT_THAT(result.first_match_rank, testing::ElementsAre(3));
}

TEST(RetrievalMetricsTest, NothingToSearchInMatchesNothing) {
  const auto result = EvaluateRetrieval(Scores({{1, 0}}), {"a"}, EmbeddingMatrix(), {});
  EXPECT_EQ(result.unmatched_queries, 1);
  v1::Evaluation evaluation;
  FillEvaluation(result, 0, evaluation);
  EXPECT_EQ(evaluation.rank1(), 0);
}

}  // namespace
}  // namespace s2p::test
