// Decides which items of a gallery pass a filter.
#ifndef S2P_SERVER_GALLERY_GALLERY_FILTER_H_
#define S2P_SERVER_GALLERY_GALLERY_FILTER_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "server/gallery/gallery_view.h"

namespace s2p {

// The model that made all rows of a view.
struct GalleryViewModel {
  int64_t version = 0;
  int dimension = 0;
  std::vector<std::string> attributes;
};

// True if all conditions hold that do not concern attributes.
bool ItemPasses(const GalleryItem& item, const GalleryFilter& filter);

// A filter with its attribute names resolved to columns. Borrows the filter. Immutable.
class GalleryPredicate {
 public:
  // FailedPrecondition if the filter names an attribute that the model lacks.
  static absl::StatusOr<GalleryPredicate> Create(const GalleryViewModel& model,
                                                 const GalleryFilter& filter);

  const GalleryFilter& filter() const { return *filter_; }
  bool passes_all() const { return filter_->empty(); }
  // `attributes` in the order of the model's.
  bool Passes(const GalleryItem& item, absl::Span<const float> attributes) const;

 private:
  struct Column {
    size_t index;
    float min;
    float max;
  };
  explicit GalleryPredicate(const GalleryFilter& filter) : filter_(&filter) {}

  const GalleryFilter* filter_;
  std::vector<Column> columns_;
};

// Finds the rows with a given value of a metadata name: for each name, its rows ordered by value,
// four bytes a row. Immutable.
class MetadataIndex {
 public:
  MetadataIndex() = default;
  // `items` by row; they must outlive the index unchanged.
  explicit MetadataIndex(absl::Span<const std::shared_ptr<const GalleryItem>> items);

  // The rows that meet the most selective condition of `metadata`, ascending; nullopt if there is
  // no condition. Valid as long as the index.
  std::optional<absl::Span<const int32_t>> FewestRows(
      const std::map<std::string, std::string>& metadata) const;

 private:
  absl::Span<const int32_t> RowsOf(const std::string& name, const std::string& value) const;

  absl::Span<const std::shared_ptr<const GalleryItem>> items_;
  std::map<std::string, std::vector<int32_t>> by_name_;
};

}  // namespace s2p

#endif  // S2P_SERVER_GALLERY_GALLERY_FILTER_H_
