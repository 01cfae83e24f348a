// Measures the quality of the server's rankings: CMC at 1, 5, 10, 20 and mean average precision.
#ifndef S2P_CLIENT_RANKING_SCORE_H_
#define S2P_CLIENT_RANKING_SCORE_H_

#include <array>
#include <optional>
#include <vector>

namespace s2p {

// One entry of a ranking, best first.
struct RankedItem {
  float score = 0;
  // True if the item shows the query's identity.
  bool is_match = false;
};

// Accumulates queries. Ties count against us: a non-match with the same score as a match ranks
// before it. One thread only.
class RankingScore {
 public:
  static constexpr std::array<int, 4> kRanks = {1, 5, 10, 20};

  // `ranking` is the whole gallery or the top of it; the gallery has `match_count` matches. A query
  // without a match in the gallery counts only as unmatched.
  void Add(const std::vector<RankedItem>& ranking, int match_count);

  // Number of queries with a match.
  int queries() const { return queries_; }
  int unmatched() const { return unmatched_; }
  // Share of the queries whose first match is among the first kRanks[i]; 0 without queries.
  double rank(size_t i) const;
  // Unset if a ranking ended before its last match, or without queries.
  std::optional<double> mean_average_precision() const;

 private:
  int queries_ = 0;
  int unmatched_ = 0;
  std::array<int, 4> hits_ = {};
  double sum_of_precisions_ = 0;
  bool whole_ = true;
};

}  // namespace s2p

#endif  // S2P_CLIENT_RANKING_SCORE_H_
