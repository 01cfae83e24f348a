#include "server/gallery/best_matches.h"

#include <algorithm>
#include <utility>

#include "model/embedding.h"
#include "server/index/index.h"

namespace s2p {
namespace {

// Rows that are ranked by colour at least, and for each that is wanted.
constexpr int kLeastCandidates = 2000;
constexpr int kCandidatesPerMatch = 20;

bool Better(const GalleryMatch& a, const GalleryMatch& b) {
  if (a.score != b.score) return a.score > b.score;
  return a.item->photo_id < b.item->photo_id;
}

// The order of the answer; Better's if there are no preferences.
bool RanksHigher(const GalleryMatch& a, const GalleryMatch& b) {
  const float one = a.score + a.colour_score, other = b.score + b.colour_score;
  if (one != other) return one > other;
  return a.item->photo_id < b.item->photo_id;
}

float ColourScore(absl::Span<const ColourPreference> preferences, const GalleryItem& item) {
  float score = 0;
  for (const ColourPreference& preference : preferences) {
    score += preference.weight * ColourAgreement(item.colours, preference.colour);
  }
  return score;
}

}  // namespace

int CandidatesOf(const GallerySearchOptions& options) {
  if (options.colours.empty()) return options.top_k;
  return std::max(kLeastCandidates, kCandidatesPerMatch * options.top_k);
}

BestMatches::BestMatches(absl::Span<const float> query, const GallerySearchOptions& options)
    : query_(query),
      top_k_(static_cast<size_t>(std::max(options.top_k, 0))),
      most_(static_cast<size_t>(std::max(CandidatesOf(options), 0))),
      colours_(options.colours),
      min_score_(options.min_score),
      tolerance_(InnerProductTolerance(static_cast<int>(query.size()))) {}

void BestMatches::Offer(const std::shared_ptr<const GalleryItem>& item,
                        absl::Span<const float> embedding, absl::Span<const float> attributes) {
  // This costs a thousandth of the exact score and decides about nearly every row.
  if (!CanEnter(ApproximateInnerProduct(query_, embedding) + tolerance_)) return;
  const float score = CosineSimilarity(query_, embedding);
  if (score < min_score_ || most_ == 0) return;
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
  return !is_full() || (most_ > 0 && score >= heap_.front().score);
}

std::vector<GalleryMatch> BestMatches::Take() {
  for (GalleryMatch& match : heap_) match.colour_score = ColourScore(colours_, *match.item);
  std::sort(heap_.begin(), heap_.end(), RanksHigher);
  heap_.resize(std::min(heap_.size(), top_k_));
  return std::move(heap_);
}

}  // namespace s2p
