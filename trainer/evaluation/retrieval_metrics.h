// Measures of a ranking: CMC and mean average precision.
#ifndef S2P_TRAINER_EVALUATION_RETRIEVAL_METRICS_H_
#define S2P_TRAINER_EVALUATION_RETRIEVAL_METRICS_H_

#include <string>
#include <vector>

#include "model/embedding.h"
#include "s2p/v1/checkpoint.pb.h"
#include "trainer/evaluation/ranker.h"

namespace s2p {

struct RetrievalResult {
  // Ranks from 1 of each query's first true match; 0 for a query without any.
  std::vector<int> first_match_rank;
  // For each query, the score of its best true match minus that of the best other image; 0 where
  // either kind is missing, minus infinity where the true match has no score that is a number.
  std::vector<float> margin;
  // For each query, the terms of the two means below; 0 for a query without a true match.
  std::vector<double> average_precision;
  std::vector<double> inverse_negative_penalty;
  // cmc[k - 1]: share of the valid queries whose first true match ranks k or better; as long as the
  // gallery.
  std::vector<double> cmc;
  double mean_average_precision = 0;
  // Mean over the valid queries of (number of true matches) / (rank of the last of them) (Ye et
  // al., TPAMI 2021, eq. 2): how deep one must look to find all.
  double mean_inverse_negative_penalty = 0;
  // For each query, the rows of its best kTopMatches, best first; among equal scores the false one
  // first, then the lower row.
  std::vector<std::vector<int>> top;
  int valid_queries = 0;
  int unmatched_queries = 0;
};

// Ranks the gallery for each query by cosine similarity. A query without a true match is counted as
// unmatched and left out. Ties count against us: a true match's rank is the number of gallery rows
// that score as high or higher, other true matches of the same score counted once each, in order.
// A score is CosineSimilarity, bit for bit, or last if that is not a number. Most are only needed
// to a few digits, so float32 products of tiles of both matrices are computed first, on
// at::get_num_threads() threads, and exact scores where their error could change the order; memory
// does not grow with queries times gallery. Requires equal dimensions and one identity per row.
RetrievalResult EvaluateRetrieval(const EmbeddingMatrix& queries,
                                  const std::vector<std::string>& query_identities,
                                  const EmbeddingMatrix& gallery,
                                  const std::vector<std::string>& gallery_identities);

// The same for scores that are known already: [queries, gallery], larger is better, not a number is
// last.
RetrievalResult EvaluateScores(const EmbeddingMatrix& scores,
                               const std::vector<std::string>& query_identities,
                               const std::vector<std::string>& gallery_identities);

// Fills queries, gallery, unmatched, rank1/5/10/20 (a k beyond the gallery counts as the whole
// gallery), mAP and mINP.
void FillEvaluation(const RetrievalResult& result, int gallery_size, v1::Evaluation& evaluation);

}  // namespace s2p

#endif  // S2P_TRAINER_EVALUATION_RETRIEVAL_METRICS_H_
