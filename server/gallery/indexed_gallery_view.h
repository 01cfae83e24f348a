// The gallery view that searches an index: a frozen base, a small tail, and a set of removed rows.
#ifndef S2P_SERVER_GALLERY_INDEXED_GALLERY_VIEW_H_
#define S2P_SERVER_GALLERY_INDEXED_GALLERY_VIEW_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "server/gallery/best_matches.h"
#include "server/gallery/gallery_base.h"
#include "server/gallery/gallery_filter.h"
#include "server/gallery/gallery_view.h"
#include "server/index/index.h"
#include "server/index/index_builder.h"

namespace s2p {

// An item as one version of the model sees it.
struct GalleryRow {
  std::shared_ptr<const GalleryItem> item;
  // A unit vector of the view's dimension.
  std::vector<float> embedding;
  // One probability per attribute of the view.
  std::vector<float> attributes;
};

// A write makes a new view that shares the base, so it costs the size of the tail, not of the
// gallery. Immutable.
class IndexedGalleryView final : public GalleryView {
 public:
  explicit IndexedGalleryView(std::shared_ptr<const GalleryBase> base);
  ~IndexedGalleryView() override;

  // Returns this view without `removed` and with `upserted`, whose rows replace those of the same
  // id. Requires that no id is in both or twice in one. Unknown ids in `removed` are ignored.
  // InvalidArgument as CheckRow.
  absl::StatusOr<std::shared_ptr<const IndexedGalleryView>> With(
      std::vector<GalleryRow> upserted, absl::Span<const std::string> removed) const;
  // True if tail and removals have grown so large (beyond 1,024 rows and a 64th of the base) that a
  // new base would speed up searches.
  bool needs_compaction() const;
  // Returns the same rows, all in a new base without the removed ones. Takes as long as copying the
  // gallery, or training an index. Errors as IndexBuilder::Build.
  absl::StatusOr<std::shared_ptr<const IndexedGalleryView>> Compacted(
      const IndexBuilder& index_builder) const;
  // Returns this view with the rows that `current` has for `ids`, and without the ids that it
  // lacks: a compacted view catches up with the writes since.
  absl::StatusOr<std::shared_ptr<const IndexedGalleryView>> CaughtUpWith(
      const IndexedGalleryView& current, absl::Span<const std::string> ids) const;

  const GalleryViewModel& model() const { return base_->model; }
  // Two views of one base differ only in tail and removals.
  const std::shared_ptr<const GalleryBase>& base() const { return base_; }
  int64_t version() const override { return model().version; }
  int dimension() const override { return model().dimension; }
  const std::vector<std::string>& attributes() const override { return model().attributes; }
  int64_t size() const override;
  std::string index_kind() const override;
  double index_recall() const override;
  absl::StatusOr<std::vector<std::vector<GalleryMatch>>> Search(
      const EmbeddingMatrix& queries,
      absl::Span<const GallerySearchOptions> options) const override;
  absl::Status CheckFilter(const GalleryFilter& filter) const override;
  std::shared_ptr<const GalleryItem> Find(absl::string_view photo_id) const override;
  absl::StatusOr<absl::Span<const float>> EmbeddingOf(absl::string_view photo_id) const override;

  // NotFound. Valid as long as the view.
  absl::StatusOr<absl::Span<const float>> AttributesOf(absl::string_view photo_id) const;
  // True if the item is in the view and its attributes are within all bounds. FailedPrecondition if
  // the version lacks one of them.
  absl::StatusOr<bool> AttributesPass(absl::string_view photo_id,
                                      absl::Span<const AttributeBounds> bounds) const;
  // The number of rows in the tail and of removed rows.
  int64_t pending() const;

 private:
  // The place of an item: a row of the base, a row of the tail, or none.
  struct RowRef {
    int64_t base_row = -1;
    const GalleryRow* tail_row = nullptr;
    bool found() const { return base_row >= 0 || tail_row != nullptr; }
  };
  // The way to answer one query.
  struct Plan {
    GalleryPredicate predicate;
    // Rows to ask the index for; 0: scan `rows` instead.
    int64_t fetch = 0;
    // Base rows that pass the filter and are not removed.
    std::vector<int32_t> rows;
  };

  RowRef Locate(absl::string_view photo_id) const;
  bool is_live(int64_t base_row) const { return !removed_[static_cast<size_t>(base_row)]; }
  bool Passes(const GalleryPredicate& predicate, int64_t base_row) const;
  absl::StatusOr<Plan> MakePlan(const GallerySearchOptions& options) const;
  // The share of 512 evenly spread rows that passes.
  double SampledShare(const GalleryPredicate& predicate) const;
  std::vector<int32_t> PassingRows(const GalleryPredicate& predicate) const;
  // One pass of the index for the queries whose plans ask it for a similar number of rows, and
  // raises theirs to the number that it was asked for; empty for the other queries.
  absl::StatusOr<std::vector<std::vector<IndexMatch>>> SearchTogether(
      const EmbeddingMatrix& queries, absl::Span<Plan> plans) const;
  void OfferTail(const GalleryPredicate& predicate, BestMatches& best) const;
  // False if rows that were not found may belong among the best.
  bool OfferFound(absl::Span<const IndexMatch> found, const GalleryPredicate& predicate,
                  BestMatches& best) const;
  // One query's matches. `found` is what the index returned for the plan's rows, if it asks it;
  // asks for more rows while that is not enough.
  absl::StatusOr<std::vector<GalleryMatch>> Answer(absl::Span<const float> query,
                                                   const GallerySearchOptions& options,
                                                   const Plan& plan,
                                                   std::vector<IndexMatch> found) const;

  const std::shared_ptr<const GalleryBase> base_;
  // By base row, and the number that are set.
  std::vector<bool> removed_;
  int64_t removed_count_ = 0;
  // Ascending by photo_id; no id that is live in the base.
  std::vector<std::shared_ptr<const GalleryRow>> tail_;
};

// InvalidArgument, naming the id, if a vector does not have the model's length or the embedding's
// norm is not 1.
absl::Status CheckRow(const GalleryViewModel& model, const GalleryRow& row);

}  // namespace s2p

#endif  // S2P_SERVER_GALLERY_INDEXED_GALLERY_VIEW_H_
