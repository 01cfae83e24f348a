#include "server/gallery/best_matches.h"

#include <algorithm>
#include <utility>

#include "model/embedding.h"
#include "server/index/index.h"

namespace s2p {
namespace {

bool Better(const GalleryMatch& a, const GalleryMatch& b) {
  if (a.score != b.score) return a.score > b.score;
  return a.item->photo_id < b.item->photo_id;
}

}  // namespace

BestMatches::BestMatches(absl::Span<const float> query, const GallerySearchOptions& options)
    : query_(query),
      top_k_(static_cast<size_t>(std::max(options.top_k, 0))),
      min_score_(options.min_score),
      tolerance_(InnerProductTolerance(static_cast<int>(query.size()))) {}

void BestMatches::Offer(const std::shared_ptr<const GalleryItem>& item,
                        absl::Span<const float> embedding, absl::Span<const float> attributes) {
  // This costs a thousandth of the exact score and decides about nearly every row.
  if (!CanEnter(ApproximateInnerProduct(query_, embedding) + tolerance_)) return;
  const float score = CosineSimilarity(query_, embedding);
  if (score < min_score_ || top_k_ == 0) return;
  GalleryMatch match{item, score, attributes};
  if (is_full()) {
    if (!Better(match, heap_.front())) return;
    std::pop_heap(heap_.begin(), heap_.end(), Better);
    heap_.back() = std::move(match);
  } else {
    heap_.push_back(std::move(match));
  }
  std::push_heap(heap_.begin(), heap_.end(), Better);
}

bool BestMatches::CanEnter(float score) const {
  if (score < min_score_) return false;
  return !is_full() || (top_k_ > 0 && score >= heap_.front().score);
}

std::vector<GalleryMatch> BestMatches::Take() {
  std::sort_heap(heap_.begin(), heap_.end(), Better);
  return std::move(heap_);
}

}  // namespace s2p
