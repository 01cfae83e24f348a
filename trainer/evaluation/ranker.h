// Ranks a gallery for one query while its scores are being computed.
#ifndef S2P_TRAINER_EVALUATION_RANKER_H_
#define S2P_TRAINER_EVALUATION_RANKER_H_

#include <functional>
#include <limits>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/types/span.h"

namespace s2p {

// The number of rows that a ranking shows.
inline constexpr int kTopMatches = 10;

// The score that is below all others.
inline constexpr float kLastScore = -std::numeric_limits<float>::infinity();

// The rows of a gallery by identity. Immutable.
class GalleryIdentities {
 public:
  // `gallery`: the identity of each row.
  explicit GalleryIdentities(const std::vector<std::string>& gallery);

  // A number from 0; -1 for an identity that the gallery does not have.
  int NumberOf(const std::string& identity) const;
  // The number of the row's identity.
  int OfRow(int row) const { return of_row_[static_cast<size_t>(row)]; }
  // Ascending; none for -1. Valid as long as this.
  absl::Span<const int> RowsOf(int number) const;
  int rows() const { return static_cast<int>(of_row_.size()); }

 private:
  std::unordered_map<std::string, int> numbers_;
  std::vector<int> of_row_;
  std::vector<std::vector<int>> rows_;
};

// The results of ranking the gallery for one query. RetrievalResult says how ties count.
struct QueryRanking {
  // Ranks of the true matches, from 1, ascending.
  std::vector<int> ranks;
  // The score of the best true match minus that of the best other row; 0 where either kind is
  // missing, minus infinity where the true match has kLastScore.
  float margin = 0;
  // The best rows, kTopMatches at most, best first.
  std::vector<int> top;
};

// The rows of a stream of inexact scores that may be among its best. One thread only.
class BestRows {
 public:
  // Keeps the `count` best, and what may be one of them if scores are off by at most `error`.
  BestRows(int count, float error);

  // False if no row with this score or a lower one is kept.
  bool MayKeep(float score) const { return score >= least_; }
  // NaN is not kept.
  void Add(int row, float score);
  // In no particular order; at least min(count, rows added).
  std::vector<int> Rows() &&;

 private:
  void Prune();

  const float error_;
  // The best scores, descending.
  std::vector<float> best_;
  // The lowest score that is kept.
  float least_ = kLastScore;
  std::vector<std::pair<float, int>> rows_;
  size_t prune_at_;
};

// Takes the scores of one query piece by piece: a piece is read while it lies in the processor's
// cache, and the scores of a whole gallery are never in memory. Scores are known up to an error;
// where it could change a comparison, the exact score is asked for. One thread only.
class Ranker {
 public:
  // Returns the exact score of a row of the gallery, which is not NaN.
  using ExactScore = std::function<float(int row)>;

  // `identity`: the number of the query's own, or -1. `error`: what scores may be off by.
  // `identities` is borrowed.
  Ranker(const GalleryIdentities& identities, int identity, float error, ExactScore exact);

  // Adds the scores of the rows from `begin`, which is where the piece before ended. Each is off by
  // at most `error`; kLastScore is exact, and NaN not allowed. Changes `scores`.
  void Add(int begin, absl::Span<float> scores);

  // Requires that every row has been added.
  QueryRanking Finish() &&;

 private:
  // A piece, in chunks whose largest scores tell which chunks need not be read.
  class Chunks;

  static void AddTo(BestRows& rows, const Chunks& chunks);
  // The number of rows that score `match` or higher.
  int CountAsHigh(const Chunks& chunks, float match) const;
  std::vector<int> Top() &&;

  const GalleryIdentities& identities_;
  const int identity_;
  const float error_;
  const ExactScore exact_;
  // Exact scores of the true matches, descending, and how many other rows score as high or higher.
  std::vector<float> matches_;
  std::vector<int> as_high_;
  BestRows top_;
  // The best of the rows that are no matches.
  BestRows other_;
};

}  // namespace s2p

#endif  // S2P_TRAINER_EVALUATION_RANKER_H_
