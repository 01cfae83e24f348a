#include "trainer/evaluation/retrieval_metrics.h"

#include <torch/types.h>
#include <torch/utils.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/types/span.h"
#include "base/check.h"
#include "model/torch_parallel.h"
#include "trainer/evaluation/ranker.h"

namespace s2p {
namespace {

// How much the product of two norms may exceed 1 for vectors of unit length in float32.
constexpr double kNearlyUnit = 1e-6;
// A tile of the product: the scores of this many queries and photos lie in a core's cache until
// they are ranked, and each value of either matrix is used often enough to be worth packing.
constexpr int kTileQueries = 256;
constexpr int kTilePhotos = 1024;

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

// A network that has diverged embeds to NaN, and must not be first by not being compared.
float NumberOrLast(float score) { return std::isnan(score) ? kLastScore : score; }

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
  if (!queries.IsNumber(q) || !gallery.IsNumber(g)) return kLastScore;
  return NumberOrLast(CosineSimilarity(queries[q], gallery[g]));
}

// Bound of the error of a sum of d products in float32, in whatever order they are added (Higham,
// Accuracy and Stability of Numerical Algorithms, 2002, eq. 3.5), and of the final rounding.
float ErrorOf(double norms, int dimension) {
  constexpr double kRoundoff = 0x1p-24;
  const double gamma = dimension * kRoundoff / (1 - dimension * kRoundoff);
  return static_cast<float>(1.01 * gamma * norms + 0x1p-22);
}

// One query of a tile.
class TileQuery {
 public:
  // `number`: of the query's identity. Borrows all but it.
  TileQuery(const Rows& queries, int q, const Rows& gallery, const GalleryIdentities& identities,
            int number)
      : usual_(queries.IsUsual(q)),
        norms_(usual_ ? queries.norm(q) * gallery.largest_norm() : 0),
        gallery_(gallery),
        exact_([&queries, q, &gallery](int g) { return ExactScore(queries, q, gallery, g); }),
        ranker_(identities, number, Error(static_cast<int>(queries[q].size())), exact_) {}

  // Adds the query's products with the rows of the gallery from `begin`; changes them.
  void Add(int begin, absl::Span<float> products) {
    const int end = begin + static_cast<int>(products.size());
    const auto make_exact = [&](int g) { products[static_cast<size_t>(g - begin)] = exact_(g); };
    if (!usual_) {
      for (int g = begin; g < end; ++g) make_exact(g);
    } else {
      if (has_long_rows()) {
        for (float& score : products) score = std::clamp(score, -1.0F, 1.0F);
      }
      const std::vector<int>& unusual = gallery_.unusual();
      for (auto g = std::lower_bound(unusual.begin(), unusual.end(), begin);
           g != unusual.end() && *g < end; ++g) {
        make_exact(*g);
      }
    }
    ranker_.Add(begin, products);
  }
  QueryRanking Finish() && { return std::move(ranker_).Finish(); }

 private:
  // The score itself is limited. Products of unit vectors hardly leave the range, and limiting them
  // would write all of them once more.
  bool has_long_rows() const { return norms_ > 1 + kNearlyUnit; }
  float Error(int dimension) const {
    if (!usual_) return 0;
    return ErrorOf(norms_, dimension) + (has_long_rows() ? 0 : static_cast<float>(kNearlyUnit));
  }

  const bool usual_;
  const double norms_;
  const Rows& gallery_;
  const Ranker::ExactScore exact_;
  Ranker ranker_;
};

// Ranks the gallery for the queries [begin, begin + rankings.size()) on this thread.
void RankTiles(const Rows& queries, int begin, const std::vector<int>& identity_of_query,
               const Rows& gallery, const GalleryIdentities& identities,
               absl::Span<QueryRanking> rankings) {
  const auto count = static_cast<int>(rankings.size());
  std::vector<TileQuery> tile;
  tile.reserve(rankings.size());
  for (int q = begin; q < begin + count; ++q) {
    tile.emplace_back(queries, q, gallery, identities, identity_of_query[static_cast<size_t>(q)]);
  }
  const torch::Tensor rows = queries.Slice(begin, count);
  std::vector<float> products(static_cast<size_t>(count) * kTilePhotos);
  for (int first = 0; first < identities.rows(); first += kTilePhotos) {
    const int photos = std::min(kTilePhotos, identities.rows() - first);
    torch::Tensor product = torch::from_blob(products.data(), {count, photos});
    torch::mm_out(product, rows, gallery.Slice(first, photos).t());
    const auto width = static_cast<size_t>(photos);
    for (size_t i = 0; i < tile.size(); ++i) {
      tile[i].Add(first, absl::MakeSpan(&products[i * width], width));
    }
  }
  for (size_t i = 0; i < tile.size(); ++i) rankings[i] = std::move(tile[i]).Finish();
}

RetrievalResult Summarize(std::vector<QueryRanking> rankings, size_t gallery) {
  Summary summary(gallery);
  for (QueryRanking& ranking : rankings) summary.Add(std::move(ranking));
  return std::move(summary).Result();
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
  const GalleryIdentities identities(gallery_identities);
  const Rows query_rows(queries), gallery_rows(gallery);
  std::vector<int> numbers;
  for (const std::string& identity : query_identities) {
    numbers.push_back(identities.NumberOf(identity));
  }
  std::vector<QueryRanking> rankings(query_identities.size());
  const int threads = at::get_num_threads();
  const int block = std::min(kTileQueries, (queries.rows() + threads - 1) / threads);
  const int blocks = (queries.rows() + block - 1) / block;
  at::parallel_for(0, blocks, /*grain_size=*/1, [&](int64_t from, int64_t to) {
    torch::NoGradGuard no_grad;
    for (int64_t i = from; i < to; ++i) {
      const int begin = static_cast<int>(i) * block;
      const int count = std::min(block, queries.rows() - begin);
      RankTiles(query_rows, begin, numbers, gallery_rows, identities,
                absl::MakeSpan(&rankings[static_cast<size_t>(begin)], static_cast<size_t>(count)));
    }
  });
  return Summarize(std::move(rankings), gallery_identities.size());
}

RetrievalResult EvaluateScores(const EmbeddingMatrix& scores,
                               const std::vector<std::string>& query_identities,
                               const std::vector<std::string>& gallery_identities) {
  S2P_CHECK(scores.rows() == static_cast<int>(query_identities.size()));
  S2P_CHECK(scores.rows() == 0 ||
            scores.dimension() == static_cast<int>(gallery_identities.size()));
  const GalleryIdentities identities(gallery_identities);
  std::vector<QueryRanking> rankings(query_identities.size());
  at::parallel_for(0, scores.rows(), /*grain_size=*/1, [&](int64_t from, int64_t to) {
    for (int64_t q = from; q < to; ++q) {
      const auto at = static_cast<size_t>(q);
      const absl::Span<const float> given = scores.row(static_cast<int>(q));
      std::vector<float> row(given.begin(), given.end());
      for (float& score : row) score = NumberOrLast(score);
      Ranker ranker(identities, identities.NumberOf(query_identities[at]), /*error=*/0,
                    [given](int g) { return NumberOrLast(given[static_cast<size_t>(g)]); });
      ranker.Add(0, absl::MakeSpan(row));
      rankings[at] = std::move(ranker).Finish();
    }
  });
  return Summarize(std::move(rankings), gallery_identities.size());
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
