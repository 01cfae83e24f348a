#include "server/gallery/indexed_gallery_view.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/check.h"

namespace s2p {
namespace {

// Tail and removals stay below the larger of this and a share of the base.
constexpr int64_t kMinPendingForCompaction = 1024;
constexpr int64_t kBaseShareForCompaction = 64;

bool IdBefore(const std::shared_ptr<const GalleryRow>& row, absl::string_view photo_id) {
  return absl::string_view(row->item->photo_id) < photo_id;
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
  // `gone` has views of ids of `upserted`, which move out of it only here.
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

}  // namespace s2p
