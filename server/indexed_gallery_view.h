// The gallery view that searches an index: a frozen base, a small tail, and what was removed.
#ifndef S2P_SERVER_INDEXED_GALLERY_VIEW_H_
#define S2P_SERVER_INDEXED_GALLERY_VIEW_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "server/gallery_view.h"
#include "server/index.h"

namespace s2p {

// An item as one version of the model sees it.
struct GalleryRow {
  std::shared_ptr<const GalleryItem> item;
  // Unit vector of the view's dimension.
  std::vector<float> embedding;
  // One probability per attribute of the view.
  std::vector<float> attributes;
};

// What all rows of a view have in common.
struct GalleryViewModel {
  int64_t version = 0;
  int dimension = 0;
  std::vector<std::string> attributes;
};

// InvalidArgument, naming the id, if the vectors do not have the model's lengths or the embedding
// is not of norm 1.
absl::Status CheckRow(const GalleryViewModel& model, const GalleryRow& row);

// True if all conditions that do not concern attributes hold.
bool ItemPasses(const GalleryItem& item, const GalleryFilter& filter);

// Immutable. A write makes a new view that shares the base: its cost is the size of the tail, not
// of the gallery. Thread-safe.
class IndexedGalleryView final : public GalleryView {
 public:
  // A view whose rows are all in the base. `rows` in any order, no id twice. InvalidArgument as
  // CheckRow; ResourceExhausted when memory is out.
  static absl::StatusOr<std::shared_ptr<const IndexedGalleryView>> Build(
      GalleryViewModel model, std::vector<GalleryRow> rows);
  ~IndexedGalleryView() override;

  // This view without `removed` and with `upserted`, each of which takes the place of a row of the
  // same id. Folds tail and removals into a new base once they are a sixteenth of it (and 1,024
  // rows). Errors as Build; ids in `removed` that are not there are ignored.
  absl::StatusOr<std::shared_ptr<const IndexedGalleryView>> With(
      std::vector<GalleryRow> upserted, absl::Span<const std::string> removed) const;
  // The same rows, all in a new base.
  absl::StatusOr<std::shared_ptr<const IndexedGalleryView>> Compacted() const;

  const GalleryViewModel& model() const { return model_; }
  int64_t version() const override { return model_.version; }
  int dimension() const override { return model_.dimension; }
  const std::vector<std::string>& attributes() const override { return model_.attributes; }
  int64_t size() const override;
  std::string index_kind() const override;
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
  // Rows ascending by photo_id, so that a lookup is a binary search and row order breaks ties.
  struct Base {
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
  struct Predicate {
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
  struct RowRef {
    int64_t base_row = -1;
    const GalleryRow* tail_row = nullptr;
    bool found() const { return base_row >= 0 || tail_row != nullptr; }
  };
  // One query of a batch, made ready.
  struct Plan {
    Predicate predicate;
    std::vector<bool> allowed;
    // Rows that the index is asked for; 0: the allowed rows are scanned.
    int64_t fetch = 0;
  };
  using Tail = std::vector<std::shared_ptr<const GalleryRow>>;

  IndexedGalleryView(GalleryViewModel model, std::shared_ptr<const Base> base);

  RowRef Locate(absl::string_view photo_id) const;
  absl::StatusOr<Predicate> MakePredicate(const GalleryFilter& filter) const;
  absl::StatusOr<Plan> MakePlan(const GallerySearchOptions& options) const;
  // One pass of the index for all queries whose plan says so; nothing for the others.
  absl::StatusOr<std::vector<std::vector<IndexMatch>>> SearchTogether(
      const EmbeddingMatrix& queries, absl::Span<const Plan> plans, int64_t fetch) const;
  std::vector<bool> AllowedBaseRows(const Predicate& predicate) const;
  void ScanTail(absl::Span<const float> query, const Predicate& predicate, float min_score,
                std::vector<GalleryMatch>* matches) const;
  void ScanBase(absl::Span<const float> query, const std::vector<bool>& allowed, float min_score,
                std::vector<GalleryMatch>* matches) const;
  // Whether the `k` best of the allowed rows are certain to be among `found`; appends those found.
  bool TakeFound(absl::Span<const float> query, absl::Span<const IndexMatch> found,
                 const std::vector<bool>& allowed, const GallerySearchOptions& options,
                 std::vector<GalleryMatch>* matches) const;
  absl::StatusOr<std::vector<GalleryMatch>> SearchBase(absl::Span<const float> query,
                                                       const std::vector<bool>& allowed,
                                                       int64_t fetch,
                                                       const GallerySearchOptions& options) const;

  const GalleryViewModel model_;
  const std::shared_ptr<const Base> base_;
  // By base row; and how many are set.
  std::vector<bool> removed_;
  int64_t removed_count_ = 0;
  // Ascending by photo_id; no id that is in the base and not removed there.
  Tail tail_;
};

}  // namespace s2p

#endif  // S2P_SERVER_INDEXED_GALLERY_VIEW_H_
