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
// Rounding leaves unit vectors much closer to 1.
constexpr double kNormTolerance = 1e-3;

}  // namespace

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

}  // namespace s2p
