#include "server/gallery/indexed_gallery_view.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/status_macros.h"

namespace s2p {
namespace {

// Compaction is due when tail and removals exceed both this and a share of the base.
constexpr int64_t kMinPendingForCompaction = 1024;
constexpr int64_t kBaseShareForCompaction = 64;

// Scanning at most this many rows is cheaper than a pass of the index.
constexpr int64_t kMaxScannedRows = 2048;
// If fewer than one row in this many passes a filter, finding and scanning those is cheaper too.
constexpr int64_t kScannedShare = 16;
// Queries are searched together if none asks for this many times as many rows as another: each gets
// as many as the one that asks for most.
constexpr int64_t kSimilarFetch = 4;
// Rows sampled to estimate how many pass.
constexpr int64_t kSampledRows = 512;

// Beyond this the index would sort nearly everything, and a plain scan is cheaper.
int64_t MaxFetch(int64_t rows) { return rows / 4; }

bool IdBefore(const std::shared_ptr<const GalleryRow>& row, absl::string_view photo_id) {
  return absl::string_view(row->item->photo_id) < photo_id;
}

EmbeddingMatrix OneRow(absl::Span<const float> values) {
  EmbeddingMatrix matrix(1, static_cast<int>(values.size()));
  std::copy(values.begin(), values.end(), matrix.row(0).begin());
  return matrix;
}

}  // namespace

absl::Status CheckRow(const GalleryViewModel& model, const GalleryRow& row) {
  return CheckVectors(model, row.item->photo_id, row.embedding, row.attributes);
}

IndexedGalleryView::IndexedGalleryView(std::shared_ptr<const GalleryBase> base)
    : base_(std::move(base)), removed_(static_cast<size_t>(base_->size())) {}

IndexedGalleryView::~IndexedGalleryView() = default;

absl::StatusOr<std::shared_ptr<const IndexedGalleryView>> IndexedGalleryView::With(
    std::vector<GalleryRow> upserted, absl::Span<const std::string> removed) const {
  std::set<absl::string_view> gone(removed.begin(), removed.end());
  for (const GalleryRow& row : upserted) {
    S2P_RETURN_IF_ERROR(CheckRow(model(), row));
    S2P_CHECK(gone.count(row.item->photo_id) == 0);
  }
  auto view = std::make_shared<IndexedGalleryView>(base_);
  view->removed_ = removed_;
  view->removed_count_ = removed_count_;
  for (const GalleryRow& row : upserted) gone.insert(row.item->photo_id);
  for (absl::string_view photo_id : gone) {
    const int64_t row = base_->RowOf(photo_id);
    if (row < 0 || view->removed_[static_cast<size_t>(row)]) continue;
    view->removed_[static_cast<size_t>(row)] = true;
    ++view->removed_count_;
  }
  for (const auto& row : tail_) {
    if (gone.count(row->item->photo_id) == 0) view->tail_.push_back(row);
  }
  // Only now, because `gone` refers to ids in `upserted`.
  for (GalleryRow& row : upserted) {
    view->tail_.push_back(std::make_shared<const GalleryRow>(std::move(row)));
  }
  std::sort(view->tail_.begin(), view->tail_.end(),
            [](const auto& a, const auto& b) { return IdBefore(a, b->item->photo_id); });
  return std::shared_ptr<const IndexedGalleryView>(std::move(view));
}

bool IndexedGalleryView::needs_compaction() const {
  return pending() > std::max(kMinPendingForCompaction, base_->size() / kBaseShareForCompaction);
}

absl::StatusOr<std::shared_ptr<const IndexedGalleryView>> IndexedGalleryView::Compacted(
    const IndexBuilder& index_builder) const {
  GalleryBaseBuilder builder(model(), size());
  absl::Status status;
  auto tail = tail_.begin();
  const auto add_tail = [&](const GalleryRow& row) {
    status.Update(builder.Add(row.item, row.embedding, row.attributes));
  };
  for (int64_t row = 0; row < base_->size() && status.ok(); ++row) {
    if (!is_live(row)) continue;
    const auto& item = base_->items[static_cast<size_t>(row)];
    for (; tail != tail_.end() && IdBefore(*tail, item->photo_id); ++tail) add_tail(**tail);
    status.Update(builder.Add(item, base_->index->vector(row), base_->attributes_of(row)));
  }
  for (; tail != tail_.end(); ++tail) add_tail(**tail);
  if (!status.ok()) return status;
  S2P_ASSIGN_OR_RETURN(auto base, builder.Build(index_builder, base_->index.get()));
  return std::make_shared<const IndexedGalleryView>(std::move(base));
}

absl::StatusOr<std::shared_ptr<const IndexedGalleryView>> IndexedGalleryView::CaughtUpWith(
    const IndexedGalleryView& current, absl::Span<const std::string> ids) const {
  std::vector<GalleryRow> upserted;
  std::vector<std::string> removed;
  for (const std::string& photo_id : ids) {
    // A write may be recorded just after this view was taken with it.
    if (Find(photo_id) == current.Find(photo_id)) continue;
    const auto embedding = current.EmbeddingOf(photo_id);
    if (!embedding.ok()) {
      removed.push_back(photo_id);
      continue;
    }
    const absl::Span<const float> attributes = *current.AttributesOf(photo_id);
    upserted.push_back({current.Find(photo_id),
                        {embedding->begin(), embedding->end()},
                        {attributes.begin(), attributes.end()}});
  }
  return With(std::move(upserted), removed);
}

int64_t IndexedGalleryView::size() const {
  return base_->size() - removed_count_ + static_cast<int64_t>(tail_.size());
}

std::string IndexedGalleryView::index_kind() const { return base_->index->kind(); }

double IndexedGalleryView::index_recall() const { return base_->index->recall(); }

int64_t IndexedGalleryView::pending() const {
  return removed_count_ + static_cast<int64_t>(tail_.size());
}

IndexedGalleryView::RowRef IndexedGalleryView::Locate(absl::string_view photo_id) const {
  RowRef ref;
  const auto it = std::lower_bound(tail_.begin(), tail_.end(), photo_id, IdBefore);
  if (it != tail_.end() && (*it)->item->photo_id == photo_id) {
    ref.tail_row = it->get();
    return ref;
  }
  const int64_t row = base_->RowOf(photo_id);
  if (row >= 0 && is_live(row)) ref.base_row = row;
  return ref;
}

std::shared_ptr<const GalleryItem> IndexedGalleryView::Find(absl::string_view photo_id) const {
  const RowRef ref = Locate(photo_id);
  if (!ref.found()) return nullptr;
  return ref.tail_row != nullptr ? ref.tail_row->item
                                 : base_->items[static_cast<size_t>(ref.base_row)];
}

absl::StatusOr<absl::Span<const float>> IndexedGalleryView::EmbeddingOf(
    absl::string_view photo_id) const {
  const RowRef ref = Locate(photo_id);
  if (!ref.found()) return absl::NotFoundError(absl::StrCat("photo_id '", photo_id, "'"));
  if (ref.tail_row != nullptr) return absl::MakeConstSpan(ref.tail_row->embedding);
  return base_->index->vector(ref.base_row);
}

absl::StatusOr<absl::Span<const float>> IndexedGalleryView::AttributesOf(
    absl::string_view photo_id) const {
  const RowRef ref = Locate(photo_id);
  if (!ref.found()) return absl::NotFoundError(absl::StrCat("photo_id '", photo_id, "'"));
  if (ref.tail_row != nullptr) return absl::MakeConstSpan(ref.tail_row->attributes);
  return base_->attributes_of(ref.base_row);
}

absl::StatusOr<bool> IndexedGalleryView::AttributesPass(
    absl::string_view photo_id, absl::Span<const AttributeBounds> bounds) const {
  GalleryFilter filter;
  filter.attributes.assign(bounds.begin(), bounds.end());
  S2P_ASSIGN_OR_RETURN(GalleryPredicate predicate, GalleryPredicate::Create(model(), filter));
  absl::StatusOr<absl::Span<const float>> attributes = AttributesOf(photo_id);
  if (!attributes.ok()) return false;
  return predicate.Passes(*Find(photo_id), *attributes);
}

// The search.
//
// The index's scores are rounded, differently in every batch. It is therefore asked for a few more
// rows than are wanted, and the scores of the rows it finds are computed again exactly. The answer
// of an exact index stands only if no other row can be among the best; else it is asked for more
// rows. An approximate index is asked for more only while fewer pass the filter than are ranked.

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
    // Enough rows to hold as many passing ones as are ranked, if those are spread evenly.
    plan.fetch = static_cast<int64_t>((CandidatesOf(options) + kIndexFetchSlack) / share);
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
    std::vector<IndexMatch> found) const {
  const EmbeddingMatrix one = OneRow(query);
  for (int64_t effort = 1; plan.fetch > 0; effort *= 4) {
    if (plan.fetch * effort > MaxFetch(base_->size())) break;
    if (effort > 1) {
      S2P_ASSIGN_OR_RETURN(auto further, base_->index->Search(one, plan.fetch * effort, effort));
      found = std::move(further.front());
    }
    BestMatches best(query, options);
    // Before the tail, whose rows say nothing about base rows that were not found.
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
    const EmbeddingMatrix& queries, absl::Span<Plan> plans) const {
  std::vector<size_t> left;
  for (size_t i = 0; i < plans.size(); ++i) {
    if (plans[i].fetch > 0) left.push_back(i);
  }
  std::sort(left.begin(), left.end(),
            [&](size_t a, size_t b) { return plans[a].fetch < plans[b].fetch; });
  std::vector<std::vector<IndexMatch>> found(plans.size());
  while (!left.empty()) {
    const int64_t fetch = plans[left.back()].fetch;
    std::vector<size_t> group;
    for (; !left.empty() && plans[left.back()].fetch * kSimilarFetch > fetch; left.pop_back()) {
      group.push_back(left.back());
    }
    EmbeddingMatrix together(static_cast<int>(group.size()), dimension());
    for (size_t j = 0; j < group.size(); ++j) {
      const absl::Span<const float> query = queries.row(static_cast<int>(group[j]));
      std::copy(query.begin(), query.end(), together.row(static_cast<int>(j)).begin());
    }
    S2P_ASSIGN_OR_RETURN(auto searched, base_->index->Search(together, fetch));
    for (size_t j = 0; j < group.size(); ++j) {
      plans[group[j]].fetch = fetch;
      found[group[j]] = std::move(searched[j]);
    }
  }
  return found;
}

absl::Status IndexedGalleryView::CheckFilter(const GalleryFilter& filter) const {
  return GalleryPredicate::Create(model(), filter).status();
}

absl::StatusOr<std::vector<std::vector<GalleryMatch>>> IndexedGalleryView::Search(
    const EmbeddingMatrix& queries, absl::Span<const GallerySearchOptions> options) const {
  S2P_CHECK(options.size() == static_cast<size_t>(queries.rows()));
  if (queries.rows() > 0 && queries.dimension() != dimension()) {
    return absl::InvalidArgumentError(
        absl::StrCat("query: ", queries.dimension(), " values instead of ", dimension()));
  }
  std::vector<Plan> plans;
  for (const GallerySearchOptions& option : options) {
    S2P_ASSIGN_OR_RETURN(Plan plan, MakePlan(option));
    plans.push_back(std::move(plan));
  }
  S2P_ASSIGN_OR_RETURN(auto found, SearchTogether(queries, absl::MakeSpan(plans)));
  std::vector<std::vector<GalleryMatch>> results;
  for (size_t i = 0; i < plans.size(); ++i) {
    S2P_ASSIGN_OR_RETURN(auto answer, Answer(queries.row(static_cast<int>(i)), options[i], plans[i],
                                             std::move(found[i])));
    results.push_back(std::move(answer));
  }
  return results;
}

}  // namespace s2p
