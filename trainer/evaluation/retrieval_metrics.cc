#include "trainer/evaluation/retrieval_metrics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "model/check.h"

namespace s2p {
namespace {

// The true matches of one query.
struct Matches {
  // From 1, ascending.
  std::vector<int> ranks;
  float margin = 0;
};

Matches MatchesOf(absl::Span<const float> scores, const std::string& identity,
                  const std::vector<std::string>& identities) {
  std::vector<float> matches, others;
  for (size_t row = 0; row < scores.size(); ++row) {
    (identities[row] == identity ? matches : others).push_back(scores[row]);
  }
  std::sort(matches.begin(), matches.end(), std::greater<float>());
  Matches result;
  for (size_t i = 0; i < matches.size(); ++i) {
    const auto ahead = std::count_if(others.begin(), others.end(),
                                     [&](float score) { return score >= matches[i]; });
    result.ranks.push_back(static_cast<int>(ahead) + static_cast<int>(i) + 1);
  }
  if (!matches.empty() && !others.empty()) {
    result.margin = matches.front() - *std::max_element(others.begin(), others.end());
  }
  return result;
}

std::vector<int> TopRows(absl::Span<const float> scores, const std::string& identity,
                         const std::vector<std::string>& identities) {
  std::vector<int> rows(scores.size());
  std::iota(rows.begin(), rows.end(), 0);
  const auto kept = std::min<size_t>(kTopMatches, rows.size());
  std::partial_sort(rows.begin(), rows.begin() + static_cast<int64_t>(kept), rows.end(),
                    [&](int a, int b) {
                      if (scores[a] != scores[b]) return scores[a] > scores[b];
                      const bool a_hits = identities[a] == identity;
                      if (a_hits != (identities[b] == identity)) return !a_hits;
                      return a < b;
                    });
  rows.resize(kept);
  return rows;
}

}  // namespace

RetrievalResult EvaluateRetrieval(const EmbeddingMatrix& queries,
                                  const std::vector<std::string>& query_identities,
                                  const EmbeddingMatrix& gallery,
                                  const std::vector<std::string>& gallery_identities) {
  S2P_CHECK(queries.rows() == 0 || gallery.rows() == 0 ||
            queries.dimension() == gallery.dimension());
  EmbeddingMatrix scores(queries.rows(), gallery.rows());
  for (int q = 0; q < queries.rows(); ++q) {
    for (int g = 0; g < gallery.rows(); ++g) {
      const float score = CosineSimilarity(queries.row(q), gallery.row(g));
      // A network that has diverged embeds to NaN, and must not be first by not being compared.
      scores.row(q)[g] = std::isnan(score) ? -std::numeric_limits<float>::infinity() : score;
    }
  }
  return EvaluateScores(scores, query_identities, gallery_identities);
}

RetrievalResult EvaluateScores(const EmbeddingMatrix& scores,
                               const std::vector<std::string>& query_identities,
                               const std::vector<std::string>& gallery_identities) {
  S2P_CHECK(scores.rows() == static_cast<int>(query_identities.size()));
  S2P_CHECK(scores.rows() == 0 ||
            scores.dimension() == static_cast<int>(gallery_identities.size()));
  RetrievalResult result;
  result.cmc.resize(gallery_identities.size());
  double sum_of_precisions = 0, sum_of_inverse_penalties = 0;
  for (int q = 0; q < scores.rows(); ++q) {
    const auto [ranks, margin] = MatchesOf(scores.row(q), query_identities[q], gallery_identities);
    result.margin.push_back(margin);
    result.first_match_rank.push_back(ranks.empty() ? 0 : ranks.front());
    result.top.push_back(TopRows(scores.row(q), query_identities[q], gallery_identities));
    if (ranks.empty()) {
      ++result.unmatched_queries;
      continue;
    }
    ++result.valid_queries;
    result.cmc[ranks.front() - 1] += 1;
    double precision = 0;
    for (size_t i = 0; i < ranks.size(); ++i) precision += static_cast<double>(i + 1) / ranks[i];
    sum_of_inverse_penalties += static_cast<double>(ranks.size()) / ranks.back();
    sum_of_precisions += precision / static_cast<double>(ranks.size());
  }
  if (result.valid_queries == 0) return result;
  double hits = 0;
  for (double& share : result.cmc) {
    hits += share;
    share = hits / result.valid_queries;
  }
  result.mean_average_precision = sum_of_precisions / result.valid_queries;
  result.mean_inverse_negative_penalty = sum_of_inverse_penalties / result.valid_queries;
  return result;
}

void FillEvaluation(const RetrievalResult& result, int gallery_size, v1::Evaluation& evaluation) {
  const auto rank = [&result](size_t k) {
    return result.cmc.empty() ? 0.0 : result.cmc[std::min(k, result.cmc.size()) - 1];
  };
  evaluation.set_queries(static_cast<uint32_t>(result.valid_queries));
  evaluation.set_gallery(static_cast<uint32_t>(gallery_size));
  evaluation.set_unmatched(static_cast<uint32_t>(result.unmatched_queries));
  evaluation.set_rank1(rank(1));
  evaluation.set_rank5(rank(5));
  evaluation.set_rank10(rank(10));
  evaluation.set_rank20(rank(20));
  evaluation.set_mean_average_precision(result.mean_average_precision);
  evaluation.set_mean_inverse_negative_penalty(result.mean_inverse_negative_penalty);
}

}  // namespace s2p
