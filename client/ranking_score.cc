#include "client/ranking_score.h"

#include <cstddef>

namespace s2p {
namespace {

// The ranks of the matches, from 1.
std::vector<int> MatchRanks(const std::vector<RankedItem>& ranking) {
  std::vector<int> ranks;
  int others = 0;
  size_t next = 0;  // The first item not yet counted in `others`.
  for (size_t i = 0; i < ranking.size(); ++i) {
    if (!ranking[i].is_match) continue;
    for (; next < ranking.size() && ranking[next].score >= ranking[i].score; ++next) {
      if (!ranking[next].is_match) ++others;
    }
    ranks.push_back(others + static_cast<int>(ranks.size()) + 1);
  }
  return ranks;
}

}  // namespace

void RankingScore::Add(const std::vector<RankedItem>& ranking, int match_count) {
  if (match_count == 0) {
    ++unmatched_;
    return;
  }
  ++queries_;
  const std::vector<int> ranks = MatchRanks(ranking);
  if (static_cast<int>(ranks.size()) < match_count) whole_ = false;
  double precision = 0;
  for (size_t i = 0; i < ranks.size(); ++i) precision += static_cast<double>(i + 1) / ranks[i];
  sum_of_precisions_ += precision / match_count;
  if (ranks.empty()) return;
  for (size_t i = 0; i < kRanks.size(); ++i) {
    if (ranks.front() <= kRanks[i]) ++hits_[i];
  }
}

double RankingScore::rank(size_t i) const {
  return queries_ == 0 ? 0 : static_cast<double>(hits_[i]) / queries_;
}

std::optional<double> RankingScore::mean_average_precision() const {
  if (!whole_ || queries_ == 0) return std::nullopt;
  return sum_of_precisions_ / queries_;
}

}  // namespace s2p
