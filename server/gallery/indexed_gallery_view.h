// The gallery view that searches an index: a frozen base, a small tail, and what was removed.
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
#include "server/gallery/gallery_base.h"
#include "server/gallery/gallery_filter.h"
#include "server/gallery/gallery_view.h"
#include "server/index/index.h"
#include "server/index/index_builder.h"

namespace s2p {

// An item as one version of the model sees it.
struct GalleryRow {
  std::shared_ptr<const GalleryItem> item;
  // Unit vector of the view's dimension.
  std::vector<float> embedding;
  // One probability per attribute of the view.
  std::vector<float> attributes;
};

// Immutable. A write makes a new view that shares the base: its cost is the size of the tail, not
// of the gallery. Thread-safe.
class IndexedGalleryView final : public GalleryView {
 public:
  explicit IndexedGalleryView(std::shared_ptr<const GalleryBase> base);
  ~IndexedGalleryView() override;

  // This view without `removed` and with `upserted`, each of which takes the place of a row of the
  // same id; no id is in both, nor twice in one. InvalidArgument as CheckRow; ids in `removed` that
  // are not there are ignored.
  absl::StatusOr<std::shared_ptr<const IndexedGalleryView>> With(
      std::vector<GalleryRow> upserted, absl::Span<const std::string> removed) const;
  // Whether tail and removals have grown so large (beyond 1,024 rows and a 64th of the base) that
  // searches gain by a new base.
  bool needs_compaction() const;
  // The same rows, all in a new base, from which what was removed is gone. Takes as long as it
  // takes to copy the gallery, or to train an index. Errors as IndexBuilder::Build.
  absl::StatusOr<std::shared_ptr<const IndexedGalleryView>> Compacted(
      const IndexBuilder& index_builder) const;
  // This view with the rows that `ids` have in `current`, and without those that are not in it:
  // what was compacted catches up with what was written meanwhile.
  absl::StatusOr<std::shared_ptr<const IndexedGalleryView>> CaughtUpWith(
      const IndexedGalleryView& current, absl::Span<const std::string> ids) const;

  const GalleryViewModel& model() const { return base_->model; }
  // Two views of one base differ in tail and removals alone.
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
  std::shared_ptr<const GalleryItem> Find(absl::string_view photo_id) const override;
  absl::StatusOr<absl::Span<const float>> EmbeddingOf(absl::string_view photo_id) const override;

  // NotFound. Valid as long as the view.
  absl::StatusOr<absl::Span<const float>> AttributesOf(absl::string_view photo_id) const;
  // True if the item is in the view and its attributes are within all bounds. FailedPrecondition if
  // the version lacks one of them.
  absl::StatusOr<bool> AttributesPass(absl::string_view photo_id,
                                      absl::Span<const AttributeBounds> bounds) const;
  // Rows that are not in the base, and rows of the base that are removed.
  int64_t pending() const;

 private:
  // Where an item is: a row of the base, a row of the tail, or nowhere.
  struct RowRef {
    int64_t base_row = -1;
    const GalleryRow* tail_row = nullptr;
    bool found() const { return base_row >= 0 || tail_row != nullptr; }
  };
  // How one query is to be answered.
  struct Plan {
    GalleryPredicate predicate;
    // Rows that the index is asked for; 0: `rows` are scanned instead.
    int64_t fetch = 0;
    // Base rows that pass the filter and are not removed.
    std::vector<int32_t> rows;
  };
  class BestMatches;

  RowRef Locate(absl::string_view photo_id) const;
  bool is_live(int64_t base_row) const { return !removed_[static_cast<size_t>(base_row)]; }
  bool Passes(const GalleryPredicate& predicate, int64_t base_row) const;
  absl::StatusOr<Plan> MakePlan(const GallerySearchOptions& options) const;
  // Of 512 rows, evenly spread, the share that passes.
  double SampledShare(const GalleryPredicate& predicate) const;
  std::vector<int32_t> PassingRows(const GalleryPredicate& predicate) const;
  // One pass of the index for all queries whose plan says so; nothing for the others.
  absl::StatusOr<std::vector<std::vector<IndexMatch>>> SearchTogether(
      const EmbeddingMatrix& queries, absl::Span<const Plan> plans, int64_t fetch) const;
  void OfferTail(const GalleryPredicate& predicate, BestMatches& best) const;
  // False if rows that were not found may be among the best.
  bool OfferFound(absl::Span<const IndexMatch> found, const GalleryPredicate& predicate,
                  BestMatches& best) const;
  // One query's matches from what the index found when it was asked for `fetch` rows, if the plan
  // is to ask it. Asks for more while that is not enough.
  absl::StatusOr<std::vector<GalleryMatch>> Answer(absl::Span<const float> query,
                                                   const GallerySearchOptions& options,
                                                   const Plan& plan, int64_t fetch,
                                                   std::vector<IndexMatch> found) const;

  const std::shared_ptr<const GalleryBase> base_;
  // By base row; and how many are set.
  std::vector<bool> removed_;
  int64_t removed_count_ = 0;
  // Ascending by photo_id; no id that is in the base and not removed there.
  std::vector<std::shared_ptr<const GalleryRow>> tail_;
};

// InvalidArgument, naming the id, if the vectors do not have the model's lengths or the embedding
// is not of norm 1.
absl::Status CheckRow(const GalleryViewModel& model, const GalleryRow& row);

}  // namespace s2p

#endif  // S2P_SERVER_GALLERY_INDEXED_GALLERY_VIEW_H_
