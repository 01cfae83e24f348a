#include "trainer/evaluation/retrieval_metrics.h"

#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>

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

// Every cell for itself, as the header says it.
RetrievalResult NaiveRetrieval(const EmbeddingMatrix& queries,
                               const std::vector<std::string>& query_identities,
                               const EmbeddingMatrix& gallery,
                               const std::vector<std::string>& gallery_identities) {
  RetrievalResult result;
  for (int q = 0; q < queries.rows(); ++q) {
    const std::string& identity = query_identities[q];
    std::vector<float> scores, matches, others;
    std::vector<int> rows;
    for (int g = 0; g < gallery.rows(); ++g) {
      float score = CosineSimilarity(queries.row(q), gallery.row(g));
      if (std::isnan(score)) score = -std::numeric_limits<float>::infinity();
      scores.push_back(score);
      (gallery_identities[g] == identity ? matches : others).push_back(score);
      rows.push_back(g);
    }
    std::sort(matches.begin(), matches.end(), std::greater<float>());
    result.first_match_rank.push_back(0);
    if (!matches.empty()) {
      result.first_match_rank.back() =
          1 + static_cast<int>(std::count_if(others.begin(), others.end(),
                                             [&](float other) { return other >= matches[0]; }));
      ++result.valid_queries;
      double precision = 0;
      for (size_t i = 0; i < matches.size(); ++i) {
        double rank = static_cast<double>(i) + 1;
        for (const float other : others) rank += other >= matches[i] ? 1 : 0;
        precision += static_cast<double>(i + 1) / rank;
      }
      result.mean_average_precision += precision / static_cast<double>(matches.size());
    }
    float margin = 0;
    if (!matches.empty() && !others.empty()) {
      margin = std::isinf(matches[0])
                   ? matches[0]
                   : matches[0] - *std::max_element(others.begin(), others.end());
    }
    result.margin.push_back(margin);
    std::sort(rows.begin(), rows.end(), [&](int a, int b) {
      if (scores[a] != scores[b]) return scores[a] > scores[b];
      const bool a_hits = gallery_identities[a] == identity;
      if (a_hits != (gallery_identities[b] == identity)) return !a_hits;
      return a < b;
    });
    rows.resize(std::min<size_t>(rows.size(), kTopMatches));
    result.top.push_back(rows);
  }
  result.unmatched_queries = queries.rows() - result.valid_queries;
  if (result.valid_queries > 0) result.mean_average_precision /= result.valid_queries;
  return result;
}

class TiledRetrievalTest : public testing::Test {
 protected:
  // Unit vectors.
  EmbeddingMatrix Random(int rows) {
    EmbeddingMatrix matrix(rows, kDimension);
    std::normal_distribution<float> normal;
    for (int row = 0; row < rows; ++row) {
      for (float& value : matrix.row(row)) value = normal(random_);
      NormalizeL2(matrix.row(row));
    }
    return matrix;
  }
  std::vector<std::string> Names(int rows, int identities) {
    std::vector<std::string> names;
    for (int row = 0; row < rows; ++row) names.push_back(absl::StrCat(random_() % identities));
    return names;
  }
  // Copies `row` of the gallery with the last bits of a few values changed.
  void Nearly(int row, EmbeddingMatrix& gallery, int to) {
    std::copy_n(gallery.row(row).begin(), kDimension, gallery.row(to).begin());
    for (int i = 0; i < 3; ++i) {
      float& value = gallery.row(to)[random_() % kDimension];
      value = std::nextafter(value, random_() % 2 == 0 ? 1.0F : -1.0F);
    }
  }
  // Equal in everything, margins bit for bit.
  static void ExpectNaive(const EmbeddingMatrix& queries, const std::vector<std::string>& asked,
                          const EmbeddingMatrix& gallery, const std::vector<std::string>& names) {
    const auto got = EvaluateRetrieval(queries, asked, gallery, names);
    const auto want = NaiveRetrieval(queries, asked, gallery, names);
    EXPECT_EQ(got.first_match_rank, want.first_match_rank);
    EXPECT_EQ(got.top, want.top);
    ASSERT_EQ(got.margin.size(), want.margin.size());
    EXPECT_EQ(std::memcmp(got.margin.data(), want.margin.data(), 4 * got.margin.size()), 0);
    EXPECT_EQ(got.valid_queries, want.valid_queries);
    EXPECT_EQ(got.unmatched_queries, want.unmatched_queries);
    EXPECT_DOUBLE_EQ(got.mean_average_precision, want.mean_average_precision);
  }
  static constexpr int kDimension = 64;
  std::mt19937 random_{5};
};

TEST_F(TiledRetrievalTest, ManyQueriesAreThoseOfTheNaiveLoop) {
  const auto queries = Random(600), gallery = Random(2500);
  ExpectNaive(queries, Names(600, 300), gallery, Names(2500, 200));
}

TEST_F(TiledRetrievalTest, ThreadsChangeNothing) {
  const auto queries = Random(200), gallery = Random(1500);
  const int threads = at::get_num_threads();
  at::set_num_threads(3);
  ExpectNaive(queries, Names(200, 90), gallery, Names(1500, 100));
  at::set_num_threads(threads);
}

TEST_F(TiledRetrievalTest, ScoresThatDifferInTheirLastBitsAreOrderedExactly) {
  const auto queries = Random(100);
  auto gallery = Random(1500);
  for (int row = 20; row < 1500; ++row) Nearly(row % 20, gallery, row);
  ExpectNaive(queries, Names(100, 30), gallery, Names(1500, 30));
}

TEST_F(TiledRetrievalTest, EqualScoresCountAgainstUs) {
  auto queries = Random(50), gallery = Random(1500);
  for (EmbeddingMatrix* matrix : {&queries, &gallery}) {
    for (int row = 0; row < matrix->rows(); ++row) {
      std::fill(matrix->row(row).begin(), matrix->row(row).end(), 0.0F);
      matrix->row(row)[row % 3] = row % 2 == 0 ? 1.0F : -1.0F;
    }
  }
  ExpectNaive(queries, Names(50, 9), gallery, Names(1500, 9));
}

TEST_F(TiledRetrievalTest, RowsThatAreNoNumbersOrTooLargeAreScoredAsTheNaiveLoopDoes) {
  auto queries = Random(60), gallery = Random(1500);
  gallery.row(1400)[2] = std::nanf("");
  for (float& value : gallery.row(1401)) value *= 1e30F;
  for (EmbeddingMatrix* matrix : {&queries, &gallery}) {
    matrix->row(3)[5] = std::nanf("");
    matrix->row(4)[6] = std::numeric_limits<float>::infinity();
    matrix->row(7)[1] = -std::numeric_limits<float>::infinity();
    for (float& value : matrix->row(11)) value *= 1e30F;
    for (float& value : matrix->row(12)) value *= 1e4F;
    std::fill(matrix->row(13).begin(), matrix->row(13).end(), 0.0F);
    std::fill(matrix->row(14).begin(), matrix->row(14).end(), std::nanf(""));
  }
  ExpectNaive(queries, Names(60, 8), gallery, Names(1500, 8));
}

TEST_F(TiledRetrievalTest, SmallGalleryAndIdentitiesThatItDoesNotHave) {
  const auto queries = Random(20), gallery = Random(4);
  ExpectNaive(queries, Names(20, 6), gallery, {"0", "1", "1", "9"});
  ExpectNaive(queries, Names(20, 6), gallery, std::vector<std::string>(4, "2"));
}

TEST(RetrievalMetricsTest, ScoreThatIsNotANumberIsBelowAllOthers) {
  const float nan = std::nanf("");
  const auto result =
      EvaluateScores(Scores({{nan, 0.5F, -1}, {nan, nan, nan}}), {"a", "a"}, {"a", "b", "c"});
  EXPECT_THAT(result.first_match_rank, testing::ElementsAre(3, 3));
  EXPECT_THAT(result.margin, testing::ElementsAre(-INFINITY, -INFINITY));
  EXPECT_EQ(result.top[0], (std::vector<int>{1, 2, 0}));
}

TEST(RetrievalMetricsTest, EachQueryHasItsTermOfTheMeans) {
  // Matches rank 1 and 3; no match; match ranks 2.
  const auto result = EvaluateScores(Scores({{0.9F, 0.5F, 0.4F}, {1, 0, 0}, {0.9F, 0.5F, 0.4F}}),
                                     {"a", "none", "b"}, {"a", "b", "a"});
  EXPECT_THAT(result.average_precision,
              testing::ElementsAre(testing::DoubleEq((1 + 2.0 / 3) / 2), 0, 0.5));
  EXPECT_THAT(result.inverse_negative_penalty,
              testing::ElementsAre(testing::DoubleEq(2.0 / 3), 0, 0.5));
  EXPECT_DOUBLE_EQ(result.mean_average_precision, ((1 + 2.0 / 3) / 2 + 0.5) / 2);
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
