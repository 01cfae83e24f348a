#include "server/indexed_gallery_view.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/check.h"

namespace s2p {
namespace {

// Tail and removals stay below the larger of this and a share of the base.
constexpr int64_t kMinPendingForCompaction = 1024;
constexpr int64_t kBaseShareForCompaction = 16;
// A scan of so few allowed rows is cheaper than a pass of the index over all.
constexpr int64_t kMaxScannedRows = 2048;
// Rows fetched beyond top_k, so that near ties seldom need a second pass.
constexpr int64_t kFetchSlack = 16;
// Rounding leaves unit vectors much closer to 1.
constexpr double kNormTolerance = 1e-3;

bool Better(const GalleryMatch& a, const GalleryMatch& b) {
  if (a.score != b.score) return a.score > b.score;
  return a.item->photo_id < b.item->photo_id;
}

void KeepBest(int top_k, std::vector<GalleryMatch>* matches) {
  const size_t k = std::min(matches->size(), static_cast<size_t>(std::max(top_k, 0)));
  std::partial_sort(matches->begin(), matches->begin() + static_cast<ptrdiff_t>(k), matches->end(),
                    Better);
  matches->resize(k);
}

EmbeddingMatrix OneRow(absl::Span<const float> values) {
  EmbeddingMatrix matrix(1, static_cast<int>(values.size()));
  std::copy(values.begin(), values.end(), matrix.row(0).begin());
  return matrix;
}

}  // namespace

// Rows ascending by photo_id, so that a lookup is a binary search and row order breaks ties.
struct IndexedGalleryView::Base {
  std::vector<std::shared_ptr<const GalleryItem>> items;
  EmbeddingMatrix attributes;
  std::unique_ptr<const Index> index;

  int64_t size() const { return static_cast<int64_t>(items.size()); }
  // -1 if it is not there.
  int64_t RowOf(absl::string_view photo_id) const {
    const auto it = std::lower_bound(items.begin(), items.end(), photo_id,
                                     [](const auto& item, absl::string_view id) {
                                       return absl::string_view(item->photo_id) < id;
                                     });
    if (it == items.end() || (*it)->photo_id != photo_id) return -1;
    return it - items.begin();
  }
};

// A filter whose attribute names have become columns.
struct IndexedGalleryView::Predicate {
  struct Column {
    size_t index;
    float min;
    float max;
  };

  const GalleryFilter* filter;
  std::vector<Column> columns;

  bool Passes(const GalleryItem& item, absl::Span<const float> attributes) const {
    for (const Column& column : columns) {
      const float value = attributes[column.index];
      if (!(value >= column.min && value <= column.max)) return false;
    }
    return ItemPasses(item, *filter);
  }
};

// Where an item is: a row of the base, a row of the tail, or nowhere.
struct IndexedGalleryView::RowRef {
  int64_t base_row = -1;
  const GalleryRow* tail_row = nullptr;
  bool found() const { return base_row >= 0 || tail_row != nullptr; }
};

bool ItemPasses(const GalleryItem& item, const GalleryFilter& filter) {
  if (filter.modality != v1::MODALITY_UNSPECIFIED && item.modality != filter.modality) return false;
  for (const auto& [name, value] : filter.metadata) {
    const auto it = item.metadata.find(name);
    if (it == item.metadata.end() || it->second != value) return false;
  }
  return filter.exclude_photo_ids.count(item.photo_id) == 0;
}

absl::Status CheckRow(const GalleryViewModel& model, const GalleryRow& row) {
  const auto bad = [&row](absl::string_view what) {
    return absl::InvalidArgumentError(absl::StrCat("photo_id '", row.item->photo_id, "': ", what));
  };
  if (row.embedding.size() != static_cast<size_t>(model.dimension)) {
    return bad(
        absl::StrCat("embedding: ", row.embedding.size(), " values instead of ", model.dimension));
  }
  double squares = 0;
  for (float value : row.embedding) squares += static_cast<double>(value) * value;
  // Written so that a NaN is refused too.
  if (!(std::abs(std::sqrt(squares) - 1) <= kNormTolerance)) {
    return bad("embedding: its norm is not 1");
  }
  if (row.attributes.size() != model.attributes.size()) {
    return bad(absl::StrCat("attributes: ", row.attributes.size(), " values instead of ",
                            model.attributes.size()));
  }
  return absl::OkStatus();
}

IndexedGalleryView::IndexedGalleryView(GalleryViewModel model, std::shared_ptr<const Base> base)
    : model_(std::move(model)),
      base_(std::move(base)),
      removed_(static_cast<size_t>(base_->size())) {}

IndexedGalleryView::~IndexedGalleryView() = default;

absl::StatusOr<std::shared_ptr<const IndexedGalleryView>> IndexedGalleryView::Build(
    GalleryViewModel model, std::vector<GalleryRow> rows) {
  std::sort(rows.begin(), rows.end(), [](const GalleryRow& a, const GalleryRow& b) {
    return a.item->photo_id < b.item->photo_id;
  });
  auto base = std::make_shared<Base>();
  EmbeddingMatrix embeddings(static_cast<int>(rows.size()), model.dimension);
  base->attributes =
      EmbeddingMatrix(static_cast<int>(rows.size()), static_cast<int>(model.attributes.size()));
  base->items.reserve(rows.size());
  for (GalleryRow& row : rows) {
    absl::Status status = CheckRow(model, row);
    if (!status.ok()) return status;
    S2P_CHECK(base->items.empty() || base->items.back()->photo_id < row.item->photo_id);
    const int i = static_cast<int>(base->items.size());
    std::copy(row.embedding.begin(), row.embedding.end(), embeddings.row(i).begin());
    std::copy(row.attributes.begin(), row.attributes.end(), base->attributes.row(i).begin());
    base->items.push_back(std::move(row.item));
    row = GalleryRow();
  }
  absl::StatusOr<std::unique_ptr<const Index>> index = Index::BuildExact(embeddings);
  if (!index.ok()) return index.status();
  base->index = *std::move(index);
  return std::shared_ptr<const IndexedGalleryView>(
      new IndexedGalleryView(std::move(model), std::move(base)));
}

absl::StatusOr<std::shared_ptr<const IndexedGalleryView>> IndexedGalleryView::With(
    std::vector<GalleryRow> upserted, absl::Span<const std::string> removed) const {
  std::set<absl::string_view> gone(removed.begin(), removed.end());
  for (const GalleryRow& row : upserted) {
    absl::Status status = CheckRow(model_, row);
    if (!status.ok()) return status;
    S2P_CHECK(gone.count(row.item->photo_id) == 0);
  }
  std::shared_ptr<IndexedGalleryView> view(new IndexedGalleryView(model_, base_));
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
  // `gone` has views of ids of `upserted`, which move out of it only here.
  for (GalleryRow& row : upserted) {
    view->tail_.push_back(std::make_shared<const GalleryRow>(std::move(row)));
  }
  std::sort(view->tail_.begin(), view->tail_.end(),
            [](const auto& a, const auto& b) { return a->item->photo_id < b->item->photo_id; });
  const int64_t limit = std::max(kMinPendingForCompaction, base_->size() / kBaseShareForCompaction);
  if (view->pending() > limit) return view->Compacted();
  return std::shared_ptr<const IndexedGalleryView>(std::move(view));
}

absl::StatusOr<std::shared_ptr<const IndexedGalleryView>> IndexedGalleryView::Compacted() const {
  std::vector<GalleryRow> rows;
  rows.reserve(static_cast<size_t>(size()));
  for (int64_t i = 0; i < base_->size(); ++i) {
    if (removed_[static_cast<size_t>(i)]) continue;
    const absl::Span<const float> embedding = base_->index->vector(i);
    const absl::Span<const float> attributes = base_->attributes.row(static_cast<int>(i));
    rows.push_back({base_->items[static_cast<size_t>(i)],
                    {embedding.begin(), embedding.end()},
                    {attributes.begin(), attributes.end()}});
  }
  for (const auto& row : tail_) rows.push_back(*row);
  return Build(model_, std::move(rows));
}

int64_t IndexedGalleryView::size() const {
  return base_->size() - removed_count_ + static_cast<int64_t>(tail_.size());
}

std::string IndexedGalleryView::index_kind() const { return base_->index->kind(); }

int64_t IndexedGalleryView::pending() const {
  return removed_count_ + static_cast<int64_t>(tail_.size());
}

IndexedGalleryView::RowRef IndexedGalleryView::Locate(absl::string_view photo_id) const {
  RowRef ref;
  const auto it = std::lower_bound(tail_.begin(), tail_.end(), photo_id,
                                   [](const auto& row, absl::string_view id) {
                                     return absl::string_view(row->item->photo_id) < id;
                                   });
  if (it != tail_.end() && (*it)->item->photo_id == photo_id) {
    ref.tail_row = it->get();
    return ref;
  }
  const int64_t row = base_->RowOf(photo_id);
  if (row >= 0 && !removed_[static_cast<size_t>(row)]) ref.base_row = row;
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
  // Of the const matrix: a view, not a copy.
  const EmbeddingMatrix& attributes = base_->attributes;
  return attributes.row(static_cast<int>(ref.base_row));
}

absl::StatusOr<bool> IndexedGalleryView::AttributesPass(
    absl::string_view photo_id, absl::Span<const AttributeBounds> bounds) const {
  GalleryFilter filter;
  filter.attributes.assign(bounds.begin(), bounds.end());
  absl::StatusOr<Predicate> predicate = MakePredicate(filter);
  if (!predicate.ok()) return predicate.status();
  absl::StatusOr<absl::Span<const float>> attributes = AttributesOf(photo_id);
  if (!attributes.ok()) return false;
  return predicate->Passes(*Find(photo_id), *attributes);
}

absl::StatusOr<IndexedGalleryView::Predicate> IndexedGalleryView::MakePredicate(
    const GalleryFilter& filter) const {
  Predicate predicate;
  predicate.filter = &filter;
  for (const AttributeBounds& bounds : filter.attributes) {
    const auto it = std::find(model_.attributes.begin(), model_.attributes.end(), bounds.name);
    if (it == model_.attributes.end()) {
      return absl::FailedPreconditionError(absl::StrCat("filter.attributes: version ",
                                                        model_.version, " of the model has no '",
                                                        bounds.name, "'"));
    }
    predicate.columns.push_back(
        {static_cast<size_t>(it - model_.attributes.begin()), bounds.min, bounds.max});
  }
  return predicate;
}

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
  KeepBest(options.top_k, matches);
  return static_cast<int>(matches->size()) == options.top_k && matches->back().score > bound;
}

absl::StatusOr<std::vector<GalleryMatch>> IndexedGalleryView::SearchBase(
    absl::Span<const float> query, const std::vector<bool>& allowed, int64_t fetch,
    const GallerySearchOptions& options) const {
  const EmbeddingMatrix one = OneRow(query);
  for (;; fetch *= 4) {
    std::vector<GalleryMatch> matches;
    // Beyond this the index sorts nearly everything: a plain scan is cheaper.
    if (fetch > base_->size() / 4) {
      ScanBase(query, allowed, options.min_score, &matches);
      return matches;
    }
    absl::StatusOr<std::vector<std::vector<IndexMatch>>> found = base_->index->Search(one, fetch);
    if (!found.ok()) return found.status();
    if (TakeFound(query, found->front(), allowed, options, &matches)) return matches;
  }
}

absl::StatusOr<std::vector<std::vector<GalleryMatch>>> IndexedGalleryView::Search(
    const EmbeddingMatrix& queries, absl::Span<const GallerySearchOptions> options) const {
  S2P_CHECK(options.size() == static_cast<size_t>(queries.rows()));
  if (queries.rows() > 0 && queries.dimension() != model_.dimension) {
    return absl::InvalidArgumentError(
        absl::StrCat("query: ", queries.dimension(), " values instead of ", model_.dimension));
  }
  struct Plan {
    Predicate predicate;
    std::vector<bool> allowed;
    // Rows that the index is asked for; 0: the allowed rows are scanned.
    int64_t fetch = 0;
  };
  std::vector<Plan> plans;
  std::vector<int> through_index;
  int64_t shared_fetch = 0;
  for (int i = 0; i < queries.rows(); ++i) {
    const GallerySearchOptions& option = options[static_cast<size_t>(i)];
    absl::StatusOr<Predicate> predicate = MakePredicate(option.filter);
    if (!predicate.ok()) return predicate.status();
    Plan plan{*predicate, AllowedBaseRows(*predicate), 0};
    const int64_t count = std::count(plan.allowed.begin(), plan.allowed.end(), true);
    if (count > kMaxScannedRows) {
      plan.fetch = (option.top_k + kFetchSlack) * base_->size() / count;
      if (plan.fetch <= base_->size() / 4) {
        through_index.push_back(i);
        shared_fetch = std::max(shared_fetch, plan.fetch);
      } else {
        plan.fetch = 0;
      }
    }
    plans.push_back(std::move(plan));
  }

  // One pass over the gallery for all queries that go through the index.
  EmbeddingMatrix together(static_cast<int>(through_index.size()), model_.dimension);
  for (size_t j = 0; j < through_index.size(); ++j) {
    const absl::Span<const float> query = queries.row(through_index[j]);
    std::copy(query.begin(), query.end(), together.row(static_cast<int>(j)).begin());
  }
  std::vector<std::vector<IndexMatch>> found;
  if (!through_index.empty()) {
    auto searched = base_->index->Search(together, shared_fetch);
    if (!searched.ok()) return searched.status();
    found = *std::move(searched);
  }

  std::vector<std::vector<GalleryMatch>> results(static_cast<size_t>(queries.rows()));
  size_t next_found = 0;
  for (int i = 0; i < queries.rows(); ++i) {
    const absl::Span<const float> query = queries.row(i);
    const Plan& plan = plans[static_cast<size_t>(i)];
    const GallerySearchOptions& option = options[static_cast<size_t>(i)];
    std::vector<GalleryMatch>& matches = results[static_cast<size_t>(i)];
    if (plan.fetch == 0) {
      ScanBase(query, plan.allowed, option.min_score, &matches);
    } else if (!TakeFound(query, found[next_found++], plan.allowed, option, &matches)) {
      auto wider = SearchBase(query, plan.allowed, shared_fetch * 4, option);
      if (!wider.ok()) return wider.status();
      matches = *std::move(wider);
    }
    matches.erase(std::remove_if(matches.begin(), matches.end(),
                                 [&option](const GalleryMatch& match) {
                                   return match.score < option.min_score;
                                 }),
                  matches.end());
    ScanTail(query, plan.predicate, option.min_score, &matches);
    KeepBest(option.top_k, &matches);
  }
  return results;
}

}  // namespace s2p
