// How an indexed gallery view is searched.
//
// The index's scores are rounded, and differently in every batch. So it is asked for some rows more
// than are wanted, the scores of what it finds are computed again exactly, and from an exact index
// the answer stands only if no row that was not found can be among the best; else it is asked for
// more rows. An approximate index is asked for more only while fewer than top_k pass the filter.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/check.h"
#include "server/gallery/indexed_gallery_view.h"

namespace s2p {
namespace {

// A scan of so few rows is cheaper than a pass of the index.
constexpr int64_t kMaxScannedRows = 2048;
// Where fewer rows pass a filter than one in so many, finding and scanning them is cheaper, too.
constexpr int64_t kScannedShare = 16;
// Looked at to learn how many pass.
constexpr int64_t kSampledRows = 512;

// Beyond this the index would sort nearly everything: a plain scan is cheaper.
int64_t MaxFetch(int64_t rows) { return rows / 4; }

bool Better(const GalleryMatch& a, const GalleryMatch& b) {
  if (a.score != b.score) return a.score > b.score;
  return a.item->photo_id < b.item->photo_id;
}

EmbeddingMatrix OneRow(absl::Span<const float> values) {
  EmbeddingMatrix matrix(1, static_cast<int>(values.size()));
  std::copy(values.begin(), values.end(), matrix.row(0).begin());
  return matrix;
}

}  // namespace

// The best matches so far of one query: at most top_k, none below min_score.
class IndexedGalleryView::BestMatches {
 public:
  BestMatches(absl::Span<const float> query, const GallerySearchOptions& options)
      : query_(query),
        top_k_(static_cast<size_t>(std::max(options.top_k, 0))),
        min_score_(options.min_score),
        tolerance_(InnerProductTolerance(static_cast<int>(query.size()))) {}

  // Takes the row in if it is among the best. The attributes must live as long as the view.
  void Offer(const std::shared_ptr<const GalleryItem>& item, absl::Span<const float> embedding,
             absl::Span<const float> attributes) {
    // A thousandth of the exact score's cost decides about nearly every row.
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

  bool is_full() const { return heap_.size() >= top_k_; }
  // Whether a row whose score is at most `score` can be among the best. A tie can: by its id.
  bool CanEnter(float score) const {
    if (score < min_score_) return false;
    return !is_full() || (top_k_ > 0 && score >= heap_.front().score);
  }

  // By falling score. Leaves nothing behind.
  std::vector<GalleryMatch> Take() {
    std::sort_heap(heap_.begin(), heap_.end(), Better);
    return std::move(heap_);
  }

 private:
  const absl::Span<const float> query_;
  const size_t top_k_;
  const float min_score_;
  const float tolerance_;
  // The worst at the front.
  std::vector<GalleryMatch> heap_;
};

bool IndexedGalleryView::Passes(const GalleryPredicate& predicate, int64_t base_row) const {
  return is_live(base_row) &&
         (predicate.passes_all() ||
          predicate.Passes(base_->item(base_row), base_->attributes_of(base_row)));
}

double IndexedGalleryView::SampledShare(const GalleryPredicate& predicate) const {
  const int64_t sampled = std::min(kSampledRows, base_->size());
  int64_t passing = 0;
  for (int64_t i = 0; i < sampled; ++i) {
    passing += Passes(predicate, i * base_->size() / sampled) ? 1 : 0;
  }
  return static_cast<double>(passing) / static_cast<double>(std::max<int64_t>(sampled, 1));
}

std::vector<int32_t> IndexedGalleryView::PassingRows(const GalleryPredicate& predicate) const {
  std::vector<int32_t> rows;
  const auto candidates = base_->metadata.FewestRows(predicate.filter().metadata);
  if (candidates) {
    for (int32_t row : *candidates) {
      if (Passes(predicate, row)) rows.push_back(row);
    }
    return rows;
  }
  for (int32_t row = 0; row < base_->size(); ++row) {
    if (Passes(predicate, row)) rows.push_back(row);
  }
  return rows;
}

absl::StatusOr<IndexedGalleryView::Plan> IndexedGalleryView::MakePlan(
    const GallerySearchOptions& options) const {
  S2P_ASSIGN_OR_RETURN(GalleryPredicate predicate,
                       GalleryPredicate::Create(model(), options.filter));
  Plan plan{predicate, 0, {}};
  const int64_t live = base_->size() - removed_count_;
  double share =
      static_cast<double>(live) / static_cast<double>(std::max<int64_t>(base_->size(), 1));
  if (!predicate.passes_all()) {
    const auto candidates = base_->metadata.FewestRows(options.filter.metadata);
    const bool few =
        candidates && static_cast<int64_t>(candidates->size()) <= base_->size() / kScannedShare;
    share = few ? 0 : SampledShare(predicate);
  }
  const bool scan = live <= kMaxScannedRows || share * kScannedShare < 1;
  if (!scan) {
    // As many rows as hold top_k of those that pass, if they are spread evenly.
    plan.fetch = static_cast<int64_t>((options.top_k + kIndexFetchSlack) / share);
    if (plan.fetch <= MaxFetch(base_->size())) return plan;
    plan.fetch = 0;
  }
  plan.rows = PassingRows(predicate);
  return plan;
}

void IndexedGalleryView::OfferTail(const GalleryPredicate& predicate, BestMatches& best) const {
  for (const auto& row : tail_) {
    if (!predicate.passes_all() && !predicate.Passes(*row->item, row->attributes)) continue;
    best.Offer(row->item, row->embedding, row->attributes);
  }
}

bool IndexedGalleryView::OfferFound(absl::Span<const IndexMatch> found,
                                    const GalleryPredicate& predicate, BestMatches& best) const {
  const Index& index = *base_->index;
  for (const IndexMatch& match : found) {
    if (!Passes(predicate, match.row)) continue;
    best.Offer(base_->items[static_cast<size_t>(match.row)], index.vector(match.row),
               base_->attributes_of(match.row));
  }
  if (static_cast<int64_t>(found.size()) >= base_->size()) return true;
  if (found.empty()) return false;
  if (!index.exact()) return best.is_full() || !best.CanEnter(found.back().score);
  return !best.CanEnter(found.back().score + index.tolerance());
}

absl::StatusOr<std::vector<GalleryMatch>> IndexedGalleryView::Answer(
    absl::Span<const float> query, const GallerySearchOptions& options, const Plan& plan,
    int64_t fetch, std::vector<IndexMatch> found) const {
  const EmbeddingMatrix one = OneRow(query);
  for (int64_t effort = 1; plan.fetch > 0; effort *= 4) {
    if (fetch * effort > MaxFetch(base_->size())) break;
    if (effort > 1) {
      S2P_ASSIGN_OR_RETURN(auto further, base_->index->Search(one, fetch * effort, effort));
      found = std::move(further.front());
    }
    BestMatches best(query, options);
    // Before the tail, whose rows say nothing about those of the base that were not found.
    const bool complete = OfferFound(found, plan.predicate, best);
    OfferTail(plan.predicate, best);
    if (complete) return best.Take();
  }
  BestMatches best(query, options);
  OfferTail(plan.predicate, best);
  for (int32_t row : plan.fetch > 0 ? PassingRows(plan.predicate) : plan.rows) {
    best.Offer(base_->items[static_cast<size_t>(row)], base_->index->vector(row),
               base_->attributes_of(row));
  }
  return best.Take();
}

absl::StatusOr<std::vector<std::vector<IndexMatch>>> IndexedGalleryView::SearchTogether(
    const EmbeddingMatrix& queries, absl::Span<const Plan> plans, int64_t fetch) const {
  std::vector<size_t> through_index;
  for (size_t i = 0; i < plans.size(); ++i) {
    if (plans[i].fetch > 0) through_index.push_back(i);
  }
  std::vector<std::vector<IndexMatch>> found(plans.size());
  if (through_index.empty()) return found;
  EmbeddingMatrix together(static_cast<int>(through_index.size()), dimension());
  for (size_t j = 0; j < through_index.size(); ++j) {
    const absl::Span<const float> query = queries.row(static_cast<int>(through_index[j]));
    std::copy(query.begin(), query.end(), together.row(static_cast<int>(j)).begin());
  }
  S2P_ASSIGN_OR_RETURN(auto searched, base_->index->Search(together, fetch));
  for (size_t j = 0; j < through_index.size(); ++j) {
    found[through_index[j]] = std::move(searched[j]);
  }
  return found;
}

absl::StatusOr<std::vector<std::vector<GalleryMatch>>> IndexedGalleryView::Search(
    const EmbeddingMatrix& queries, absl::Span<const GallerySearchOptions> options) const {
  S2P_CHECK(options.size() == static_cast<size_t>(queries.rows()));
  if (queries.rows() > 0 && queries.dimension() != dimension()) {
    return absl::InvalidArgumentError(
        absl::StrCat("query: ", queries.dimension(), " values instead of ", dimension()));
  }
  std::vector<Plan> plans;
  int64_t fetch = 0;
  for (const GallerySearchOptions& option : options) {
    S2P_ASSIGN_OR_RETURN(Plan plan, MakePlan(option));
    fetch = std::max(fetch, plan.fetch);
    plans.push_back(std::move(plan));
  }
  S2P_ASSIGN_OR_RETURN(auto found, SearchTogether(queries, plans, fetch));
  std::vector<std::vector<GalleryMatch>> results;
  for (size_t i = 0; i < plans.size(); ++i) {
    S2P_ASSIGN_OR_RETURN(auto answer, Answer(queries.row(static_cast<int>(i)), options[i], plans[i],
                                             fetch, std::move(found[i])));
    results.push_back(std::move(answer));
  }
  return results;
}

}  // namespace s2p
