#include "trainer/evaluation/retrieval_metrics.h"

#include <ATen/Parallel.h>
#include <torch/types.h>
#include <torch/utils.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <type_traits>
#include <unordered_map>
#include <utility>

#include "absl/functional/function_ref.h"
#include "base/check.h"

namespace s2p {
namespace {

constexpr float kLast = -std::numeric_limits<float>::infinity();
constexpr float kNoScore = std::numeric_limits<float>::quiet_NaN();
// How much the product of two norms may exceed 1 for vectors of unit length in float32.
constexpr double kNearlyUnit = 1e-6;
// Scores in memory at one time.
constexpr int64_t kBlockScores = int64_t{1} << 23;
constexpr int64_t kMostQueries = 256;

// The results of ranking the gallery for one query.
struct QueryRanking {
  // Ranks of the true matches, from 1, ascending.
  std::vector<int> ranks;
  float margin = 0;
  std::vector<int> top;
};

// The gallery's rows by identity, ascending.
class Identities {
 public:
  explicit Identities(const std::vector<std::string>& gallery) : of_row_(gallery.size()) {
    for (size_t row = 0; row < gallery.size(); ++row) {
      const auto number = static_cast<int>(numbers_.size());
      of_row_[row] = numbers_.emplace(gallery[row], number).first->second;
      if (of_row_[row] == number) rows_.emplace_back();
      rows_[static_cast<size_t>(of_row_[row])].push_back(static_cast<int>(row));
    }
  }
  // -1 for one that the gallery does not have.
  int NumberOf(const std::string& identity) const {
    const auto found = numbers_.find(identity);
    return found == numbers_.end() ? -1 : found->second;
  }
  int OfRow(int row) const { return of_row_[static_cast<size_t>(row)]; }
  absl::Span<const int> RowsOf(int number) const {
    if (number < 0) return {};
    return rows_[static_cast<size_t>(number)];
  }

 private:
  std::unordered_map<std::string, int> numbers_;
  std::vector<int> of_row_;
  std::vector<std::vector<int>> rows_;
};

// The scores of one query, in chunks whose largest scores tell which chunks need not be read.
class ChunkedScores {
 public:
  static constexpr size_t kChunk = 64;

  // Borrows `scores`, of which none may be NaN.
  explicit ChunkedScores(absl::Span<float> scores)
      : scores_(scores), largest_((scores.size() + kChunk - 1) / kChunk) {
    for (size_t chunk = 0; chunk < largest_.size(); ++chunk) largest_[chunk] = Largest(chunk);
  }

  size_t chunks() const { return largest_.size(); }
  size_t size() const { return scores_.size(); }
  absl::Span<float> Chunk(size_t chunk) const { return scores_.subspan(chunk * kChunk, kChunk); }
  // Calls `body` with the first score of a chunk and their number, which the compiler knows for all
  // chunks but the last: it vectorises a loop over them that has no branch.
  template <typename Body>
  void Visit(size_t chunk, const Body& body) const {
    const absl::Span<float> scores = Chunk(chunk);
    if (scores.size() == kChunk) {
      body(scores.data(), std::integral_constant<size_t, kChunk>());
    } else {
      body(scores.data(), scores.size());
    }
  }
  // No score of the chunk is larger, and one was as large before scores were left out.
  float Bound(size_t chunk) const { return largest_[chunk]; }

  // The largest score of the chunk; kLast if all are left out.
  float Largest(size_t chunk) const {
    const absl::Span<const float> scores = Chunk(chunk);
    float largest = kLast;
    if (scores.size() < kChunk) {
      for (const float score : scores) largest = Larger(score, largest);
      return largest;
    }
    constexpr size_t kLanes = 16;
    float lanes[kLanes];
    std::fill_n(lanes, kLanes, kLast);
    const float* in = scores.data();
    for (size_t i = 0; i < kChunk; i += kLanes) {
      for (size_t j = 0; j < kLanes; ++j) lanes[j] = Larger(in[i + j], lanes[j]);
    }
    for (const float lane : lanes) largest = Larger(lane, largest);
    return largest;
  }

  // Leaves a row out of what follows. Not a number is neither above nor below anything.
  void LeaveOut(int row) { scores_[static_cast<size_t>(row)] = kNoScore; }

  // Calls `found` with every row that scores `least` or higher, in ascending order.
  template <typename Found>
  void ForEachFrom(float least, const Found& found) const {
    for (size_t chunk = 0; chunk < chunks(); ++chunk) {
      if (!(Bound(chunk) >= least)) continue;
      const absl::Span<const float> scores = Chunk(chunk);
      for (size_t i = 0; i < scores.size(); ++i) {
        if (scores[i] >= least) found(static_cast<int>(chunk * kChunk + i), scores[i]);
      }
    }
  }

 private:
  // The second one if the first is not a number.
  static float Larger(float a, float b) { return a > b ? a : b; }

  const absl::Span<float> scores_;
  std::vector<float> largest_;
};

// Ranks the gallery for one query, from scores that are known up to an error: where the error could
// change a comparison, the exact score is asked for.
class Ranker {
 public:
  // `scores`: one for each row of the gallery, each kLast or off by at most `error`; changed.
  // `exact(row)`: the score itself, or kLast, which then is exact in `scores`, too. All are
  // borrowed.
  Ranker(ChunkedScores& scores, float error, absl::FunctionRef<float(int)> exact,
         const Identities& identities, int identity)
      : scores_(scores),
        error_(error),
        exact_(exact),
        identities_(identities),
        identity_(identity) {}

  QueryRanking Rank() {
    QueryRanking ranking;
    ranking.top = TopRows();
    std::vector<float> matches;
    for (const int row : identities_.RowsOf(identity_)) {
      matches.push_back(exact_(row));
      scores_.LeaveOut(row);
    }
    if (matches.empty()) return ranking;
    std::sort(matches.begin(), matches.end(), std::greater<float>());
    for (size_t i = 0; i < matches.size(); ++i) {
      ranking.ranks.push_back(CountAsHigh(matches[i]) + static_cast<int>(i) + 1);
    }
    if (matches.size() < scores_.size()) {
      // Two infinities have no difference.
      ranking.margin = std::isinf(matches.front()) ? kLast : matches.front() - BestOther();
    }
    return ranking;
  }

 private:
  // The rows whose score may be at least that of the kTopMatches-th best, then these in order.
  std::vector<int> TopRows() const {
    std::vector<std::pair<float, int>> rows;
    scores_.ForEachFrom(KthLargest() - 2 * error_,
                        [&](int row, float) { rows.emplace_back(exact_(row), row); });
    const auto kept = std::min<size_t>(kTopMatches, rows.size());
    std::partial_sort(rows.begin(), rows.begin() + static_cast<int64_t>(kept), rows.end(),
                      [this](const auto& a, const auto& b) {
                        if (a.first != b.first) return a.first > b.first;
                        const bool a_hits = identities_.OfRow(a.second) == identity_;
                        if (a_hits != (identities_.OfRow(b.second) == identity_)) return !a_hits;
                        return a.second < b.second;
                      });
    std::vector<int> top(kept);
    for (size_t i = 0; i < kept; ++i) top[i] = rows[i].second;
    return top;
  }

  // The kTopMatches-th largest of the scores, kLast if there are fewer.
  float KthLargest() const {
    std::array<float, kTopMatches> largest;
    largest.fill(kLast);
    for (size_t chunk = 0; chunk < scores_.chunks(); ++chunk) {
      if (!(scores_.Bound(chunk) > largest.back())) continue;
      for (const float score : scores_.Chunk(chunk)) {
        if (!(score > largest.back())) continue;
        size_t at = largest.size() - 1;
        for (; at > 0 && largest[at - 1] < score; --at) largest[at] = largest[at - 1];
        largest[at] = score;
      }
    }
    return largest.back();
  }

  // The number of other rows that score `match` or higher.
  int CountAsHigh(float match) const {
    const float surely = match + error_, perhaps = match - error_;
    int count = 0;
    for (size_t chunk = 0; chunk < scores_.chunks(); ++chunk) {
      if (!(scores_.Bound(chunk) >= perhaps)) continue;
      int sure = 0, possible = 0;
      scores_.Visit(chunk, [&](const float* in, auto length) {
        int above = 0, from = 0;
        for (size_t i = 0; i < length; ++i) {
          above += in[i] > surely ? 1 : 0;
          from += in[i] >= perhaps ? 1 : 0;
        }
        sure = above;
        possible = from;
      });
      count += sure;
      if (sure == possible) continue;
      const absl::Span<const float> scores = scores_.Chunk(chunk);
      for (size_t i = 0; i < scores.size(); ++i) {
        if (!(scores[i] >= perhaps) || scores[i] > surely) continue;
        const size_t row = chunk * ChunkedScores::kChunk + i;
        count += exact_(static_cast<int>(row)) >= match ? 1 : 0;
      }
    }
    return count;
  }

  // The best score of the other rows, of which there are some.
  float BestOther() const {
    float largest = kLast, best = kLast;
    for (size_t chunk = 0; chunk < scores_.chunks(); ++chunk) {
      if (scores_.Bound(chunk) > largest) largest = std::max(largest, scores_.Largest(chunk));
    }
    scores_.ForEachFrom(largest - 2 * error_,
                        [&](int row, float) { best = std::max(best, exact_(row)); });
    return best;
  }

  ChunkedScores& scores_;
  const float error_;
  const absl::FunctionRef<float(int)> exact_;
  const Identities& identities_;
  const int identity_;
};

// Adds up the queries in their order.
class Summary {
 public:
  explicit Summary(size_t gallery) { result_.cmc.resize(gallery); }

  void Add(QueryRanking query) {
    const std::vector<int>& ranks = query.ranks;
    result_.margin.push_back(query.margin);
    result_.first_match_rank.push_back(ranks.empty() ? 0 : ranks.front());
    result_.top.push_back(std::move(query.top));
    if (ranks.empty()) {
      result_.average_precision.push_back(0);
      result_.inverse_negative_penalty.push_back(0);
      ++result_.unmatched_queries;
      return;
    }
    ++result_.valid_queries;
    result_.cmc[static_cast<size_t>(ranks.front()) - 1] += 1;
    double precision = 0;
    for (size_t i = 0; i < ranks.size(); ++i) precision += static_cast<double>(i + 1) / ranks[i];
    const auto matches = static_cast<double>(ranks.size());
    result_.average_precision.push_back(precision / matches);
    result_.inverse_negative_penalty.push_back(matches / ranks.back());
    precisions_ += result_.average_precision.back();
    inverse_penalties_ += result_.inverse_negative_penalty.back();
  }

  RetrievalResult Result() && {
    if (result_.valid_queries == 0) return std::move(result_);
    double hits = 0;
    for (double& share : result_.cmc) {
      hits += share;
      share = hits / result_.valid_queries;
    }
    result_.mean_average_precision = precisions_ / result_.valid_queries;
    result_.mean_inverse_negative_penalty = inverse_penalties_ / result_.valid_queries;
    return std::move(result_);
  }

 private:
  RetrievalResult result_;
  double precisions_ = 0, inverse_penalties_ = 0;
};

// Ranks `count` queries on all cores. `rank` is called from several threads, once for each.
void AddRankings(int count, absl::FunctionRef<QueryRanking(int)> rank, Summary& summary) {
  std::vector<QueryRanking> rankings(static_cast<size_t>(count));
  at::parallel_for(0, count, /*grain_size=*/1, [&](int64_t begin, int64_t end) {
    for (int64_t q = begin; q < end; ++q)
      rankings[static_cast<size_t>(q)] = rank(static_cast<int>(q));
  });
  for (QueryRanking& ranking : rankings) summary.Add(std::move(ranking));
}

// A network that has diverged embeds to NaN, and must not be first by not being compared.
float NumberOrLast(float score) { return std::isnan(score) ? kLast : score; }

// The rows of a matrix, and which of them float32 products can be trusted with.
class Rows {
 public:
  explicit Rows(const EmbeddingMatrix& matrix) : matrix_(matrix) {
    for (int row = 0; row < matrix.rows(); ++row) {
      double squares = 0;
      for (const float value : matrix.row(row)) squares += static_cast<double>(value) * value;
      norms_.push_back(std::sqrt(squares));
      if (IsUsual(row)) {
        largest_norm_ = std::max(largest_norm_, norms_.back());
      } else {
        unusual_.push_back(row);
      }
    }
  }
  double norm(int row) const { return norms_[static_cast<size_t>(row)]; }
  bool IsNumber(int row) const { return !std::isnan(norm(row)); }
  // False if a product may overflow, or is not a number.
  bool IsUsual(int row) const { return norm(row) < 1e15; }
  const std::vector<int>& unusual() const { return unusual_; }
  // The largest norm of the usual rows.
  double largest_norm() const { return largest_norm_; }
  absl::Span<const float> operator[](int row) const { return matrix_.row(row); }
  // [count, d] of the rows from `begin`, which it refers to.
  torch::Tensor Slice(int begin, int count) const {
    return torch::from_blob(const_cast<float*>(matrix_.row(begin).data()),
                            {count, matrix_.dimension()});
  }

 private:
  const EmbeddingMatrix& matrix_;
  std::vector<double> norms_;
  std::vector<int> unusual_;
  double largest_norm_ = 0;
};

float ExactScore(const Rows& queries, int q, const Rows& gallery, int g) {
  if (!queries.IsNumber(q) || !gallery.IsNumber(g)) return kLast;
  return NumberOrLast(CosineSimilarity(queries[q], gallery[g]));
}

// Bound of the error of a sum of d products in float32, in whatever order they are added (Higham,
// Accuracy and Stability of Numerical Algorithms, 2002, eq. 3.5), and of the final rounding.
float ErrorOf(double norms, int dimension) {
  constexpr double kRoundoff = 0x1p-24;
  const double gamma = dimension * kRoundoff / (1 - dimension * kRoundoff);
  return static_cast<float>(1.01 * gamma * norms + 0x1p-22);
}

// Ranks the gallery for query `q` by the row of the product that belongs to it.
QueryRanking RankByProduct(const Rows& queries, int q, const Rows& gallery, absl::Span<float> row,
                           const Identities& identities, int identity) {
  const auto exact = [&](int g) { return ExactScore(queries, q, gallery, g); };
  if (!queries.IsUsual(q)) {
    for (size_t g = 0; g < row.size(); ++g) row[g] = exact(static_cast<int>(g));
    ChunkedScores scores(row);
    return Ranker(scores, 0, exact, identities, identity).Rank();
  }
  const double norms = queries.norm(q) * gallery.largest_norm();
  float error = ErrorOf(norms, static_cast<int>(queries[q].size()));
  // The score itself is limited. Products of unit vectors hardly leave the range, and limiting them
  // would write all of them once more.
  if (norms > 1 + kNearlyUnit) {
    for (float& score : row) score = std::clamp(score, -1.0F, 1.0F);
  } else {
    error += static_cast<float>(kNearlyUnit);
  }
  for (const int g : gallery.unusual()) row[static_cast<size_t>(g)] = exact(g);
  ChunkedScores scores(row);
  return Ranker(scores, error, exact, identities, identity).Rank();
}

}  // namespace

RetrievalResult EvaluateRetrieval(const EmbeddingMatrix& queries,
                                  const std::vector<std::string>& query_identities,
                                  const EmbeddingMatrix& gallery,
                                  const std::vector<std::string>& gallery_identities) {
  const bool empty = queries.rows() == 0 || gallery.rows() == 0;
  S2P_CHECK(empty || queries.dimension() == gallery.dimension());
  S2P_CHECK(queries.rows() == static_cast<int>(query_identities.size()));
  S2P_CHECK(gallery.rows() == static_cast<int>(gallery_identities.size()));
  if (empty) {
    return EvaluateScores(EmbeddingMatrix(queries.rows(), gallery.rows()), query_identities,
                          gallery_identities);
  }
  torch::NoGradGuard no_grad;
  const Identities identities(gallery_identities);
  const Rows query_rows(queries), gallery_rows(gallery);
  Summary summary(gallery_identities.size());
  const int block = static_cast<int>(std::clamp<int64_t>(
      kBlockScores / gallery.rows(), 1, std::min<int64_t>(kMostQueries, queries.rows())));
  EmbeddingMatrix scores(block, gallery.rows());
  const torch::Tensor columns = gallery_rows.Slice(0, gallery.rows()).t();
  for (int begin = 0; begin < queries.rows(); begin += block) {
    const int count = std::min(block, queries.rows() - begin);
    torch::Tensor product = torch::from_blob(scores.data(), {count, gallery.rows()});
    torch::mm_out(product, query_rows.Slice(begin, count), columns);
    const auto rank = [&](int i) {
      const int q = begin + i;
      return RankByProduct(query_rows, q, gallery_rows, scores.row(i), identities,
                           identities.NumberOf(query_identities[static_cast<size_t>(q)]));
    };
    AddRankings(count, rank, summary);
  }
  return std::move(summary).Result();
}

RetrievalResult EvaluateScores(const EmbeddingMatrix& scores,
                               const std::vector<std::string>& query_identities,
                               const std::vector<std::string>& gallery_identities) {
  S2P_CHECK(scores.rows() == static_cast<int>(query_identities.size()));
  S2P_CHECK(scores.rows() == 0 ||
            scores.dimension() == static_cast<int>(gallery_identities.size()));
  const Identities identities(gallery_identities);
  Summary summary(gallery_identities.size());
  const auto rank = [&](int q) {
    std::vector<float> row(scores.row(q).begin(), scores.row(q).end());
    for (float& score : row) score = NumberOrLast(score);
    const std::vector<float> exact = row;
    ChunkedScores chunked(absl::MakeSpan(row));
    return Ranker(
               chunked, 0, [&](int g) { return exact[static_cast<size_t>(g)]; }, identities,
               identities.NumberOf(query_identities[static_cast<size_t>(q)]))
        .Rank();
  };
  AddRankings(scores.rows(), rank, summary);
  return std::move(summary).Result();
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
