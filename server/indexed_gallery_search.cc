// How an indexed gallery view is searched.
//
// The index's scores are rounded, and differently in every batch. So it is asked for some rows more
// than are wanted, the scores of what it finds are computed again exactly, and the answer stands
// only if no row that was not found can be among the best; else it is asked for more rows.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/check.h"
#include "server/indexed_gallery_view.h"

namespace s2p {
namespace {

// A scan of so few allowed rows is cheaper than a pass of the index over all.
constexpr int64_t kMaxScannedRows = 2048;
// Rows fetched beyond top_k, so that near ties seldom need a second pass.
constexpr int64_t kFetchSlack = 16;

// Beyond this the index would sort nearly everything: a plain scan is cheaper.
int64_t MaxFetch(int64_t rows) { return rows / 4; }

bool Better(const GalleryMatch& a, const GalleryMatch& b) {
  if (a.score != b.score) return a.score > b.score;
  return a.item->photo_id < b.item->photo_id;
}

void KeepBest(const GallerySearchOptions& options, std::vector<GalleryMatch>* matches) {
  const size_t k = std::min(matches->size(), static_cast<size_t>(std::max(options.top_k, 0)));
  std::partial_sort(matches->begin(), matches->begin() + static_cast<ptrdiff_t>(k), matches->end(),
                    Better);
  matches->resize(k);
  while (!matches->empty() && matches->back().score < options.min_score) matches->pop_back();
}

EmbeddingMatrix OneRow(absl::Span<const float> values) {
  EmbeddingMatrix matrix(1, static_cast<int>(values.size()));
  std::copy(values.begin(), values.end(), matrix.row(0).begin());
  return matrix;
}

}  // namespace

std::vector<bool> IndexedGalleryView::AllowedBaseRows(const Predicate& predicate) const {
  std::vector<bool> allowed(removed_);
  allowed.flip();
  if (predicate.filter->empty()) return allowed;
  const EmbeddingMatrix& attributes = base_->attributes;
  for (size_t i = 0; i < allowed.size(); ++i) {
    allowed[i] =
        allowed[i] && predicate.Passes(*base_->items[i], attributes.row(static_cast<int>(i)));
  }
  return allowed;
}

void IndexedGalleryView::ScanTail(absl::Span<const float> query, const Predicate& predicate,
                                  float min_score, std::vector<GalleryMatch>* matches) const {
  for (const auto& row : tail_) {
    if (!predicate.Passes(*row->item, row->attributes)) continue;
    const float score = CosineSimilarity(query, row->embedding);
    if (score >= min_score) matches->push_back({row->item, score, row->attributes});
  }
}

void IndexedGalleryView::ScanBase(absl::Span<const float> query, const std::vector<bool>& allowed,
                                  float min_score, std::vector<GalleryMatch>* matches) const {
  const EmbeddingMatrix& attributes = base_->attributes;
  for (size_t i = 0; i < allowed.size(); ++i) {
    if (!allowed[i]) continue;
    const float score = CosineSimilarity(query, base_->index->vector(static_cast<int64_t>(i)));
    if (score < min_score) continue;
    matches->push_back({base_->items[i], score, attributes.row(static_cast<int>(i))});
  }
}

bool IndexedGalleryView::TakeFound(absl::Span<const float> query,
                                   absl::Span<const IndexMatch> found,
                                   const std::vector<bool>& allowed,
                                   const GallerySearchOptions& options,
                                   std::vector<GalleryMatch>* matches) const {
  const EmbeddingMatrix& attributes = base_->attributes;
  for (const IndexMatch& match : found) {
    const size_t row = static_cast<size_t>(match.row);
    if (!allowed[row]) continue;
    matches->push_back({base_->items[row], CosineSimilarity(query, base_->index->vector(match.row)),
                        attributes.row(static_cast<int>(match.row))});
  }
  if (static_cast<int64_t>(found.size()) >= base_->size()) return true;
  // No row that was not found has an exact score above this.
  const float bound = found.back().score + base_->index->tolerance();
  if (bound < options.min_score) return true;
  KeepBest(options, matches);
  return static_cast<int>(matches->size()) == options.top_k && matches->back().score > bound;
}

absl::StatusOr<std::vector<GalleryMatch>> IndexedGalleryView::SearchBase(
    absl::Span<const float> query, const std::vector<bool>& allowed, int64_t fetch,
    const GallerySearchOptions& options) const {
  const EmbeddingMatrix one = OneRow(query);
  for (;; fetch *= 4) {
    std::vector<GalleryMatch> matches;
    if (fetch > MaxFetch(base_->size())) {
      ScanBase(query, allowed, options.min_score, &matches);
      return matches;
    }
    absl::StatusOr<std::vector<std::vector<IndexMatch>>> found = base_->index->Search(one, fetch);
    if (!found.ok()) return found.status();
    if (TakeFound(query, found->front(), allowed, options, &matches)) return matches;
  }
}

absl::StatusOr<IndexedGalleryView::Plan> IndexedGalleryView::MakePlan(
    const GallerySearchOptions& options) const {
  absl::StatusOr<Predicate> predicate = MakePredicate(options.filter);
  if (!predicate.ok()) return predicate.status();
  Plan plan{*predicate, AllowedBaseRows(*predicate), 0};
  const int64_t allowed = std::count(plan.allowed.begin(), plan.allowed.end(), true);
  if (allowed <= kMaxScannedRows) return plan;
  // As many rows as hold top_k allowed ones, if those are spread evenly.
  const int64_t fetch = (options.top_k + kFetchSlack) * base_->size() / allowed;
  if (fetch <= MaxFetch(base_->size())) plan.fetch = fetch;
  return plan;
}

absl::StatusOr<std::vector<std::vector<IndexMatch>>> IndexedGalleryView::SearchTogether(
    const EmbeddingMatrix& queries, absl::Span<const Plan> plans, int64_t fetch) const {
  std::vector<size_t> through_index;
  for (size_t i = 0; i < plans.size(); ++i) {
    if (plans[i].fetch > 0) through_index.push_back(i);
  }
  std::vector<std::vector<IndexMatch>> found(plans.size());
  if (through_index.empty()) return found;
  EmbeddingMatrix together(static_cast<int>(through_index.size()), model_.dimension);
  for (size_t j = 0; j < through_index.size(); ++j) {
    const absl::Span<const float> query = queries.row(static_cast<int>(through_index[j]));
    std::copy(query.begin(), query.end(), together.row(static_cast<int>(j)).begin());
  }
  auto searched = base_->index->Search(together, fetch);
  if (!searched.ok()) return searched.status();
  for (size_t j = 0; j < through_index.size(); ++j) {
    found[through_index[j]] = std::move((*searched)[j]);
  }
  return found;
}

absl::StatusOr<std::vector<std::vector<GalleryMatch>>> IndexedGalleryView::Search(
    const EmbeddingMatrix& queries, absl::Span<const GallerySearchOptions> options) const {
  S2P_CHECK(options.size() == static_cast<size_t>(queries.rows()));
  if (queries.rows() > 0 && queries.dimension() != model_.dimension) {
    return absl::InvalidArgumentError(
        absl::StrCat("query: ", queries.dimension(), " values instead of ", model_.dimension));
  }
  std::vector<Plan> plans;
  int64_t fetch = 0;
  for (const GallerySearchOptions& option : options) {
    absl::StatusOr<Plan> plan = MakePlan(option);
    if (!plan.ok()) return plan.status();
    fetch = std::max(fetch, plan->fetch);
    plans.push_back(*std::move(plan));
  }
  auto found = SearchTogether(queries, plans, fetch);
  if (!found.ok()) return found.status();
  std::vector<std::vector<GalleryMatch>> results(plans.size());
  for (size_t i = 0; i < plans.size(); ++i) {
    const absl::Span<const float> query = queries.row(static_cast<int>(i));
    std::vector<GalleryMatch>& matches = results[i];
    if (plans[i].fetch == 0) {
      ScanBase(query, plans[i].allowed, options[i].min_score, &matches);
    } else if (!TakeFound(query, (*found)[i], plans[i].allowed, options[i], &matches)) {
      auto wider = SearchBase(query, plans[i].allowed, fetch * 4, options[i]);
      if (!wider.ok()) return wider.status();
      matches = *std::move(wider);
    }
    ScanTail(query, plans[i].predicate, options[i].min_score, &matches);
    KeepBest(options[i], &matches);
  }
  return results;
}

}  // namespace s2p
