// The frozen part of a gallery view.
#ifndef S2P_SERVER_GALLERY_GALLERY_BASE_H_
#define S2P_SERVER_GALLERY_GALLERY_BASE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "server/gallery/gallery_filter.h"
#include "server/gallery/gallery_view.h"
#include "server/index/index.h"
#include "server/index/index_builder.h"

namespace s2p {

// Rows ascend by photo_id, so a lookup is a binary search. Immutable once shared.
struct GalleryBase {
  GalleryViewModel model;
  std::vector<std::shared_ptr<const GalleryItem>> items;
  // n x a, by row.
  EmbeddingMatrix attributes;
  MetadataIndex metadata;
  // Never null; row i of the index is items[i].
  std::unique_ptr<const Index> index;

  int64_t size() const { return static_cast<int64_t>(items.size()); }
  const GalleryItem& item(int64_t row) const { return *items[static_cast<size_t>(row)]; }
  absl::Span<const float> attributes_of(int64_t row) const {
    return attributes.row(static_cast<int>(row));
  }
  // -1 if there is no such item.
  int64_t RowOf(absl::string_view photo_id) const;
};

// Collects the rows of a base one by one, so none is in memory twice. Thread-compatible.
class GalleryBaseBuilder {
 public:
  // Reserves room for `most` rows.
  GalleryBaseBuilder(GalleryViewModel model, int64_t most);

  // Requires ascending ids. ResourceExhausted beyond `most`; InvalidArgument, naming the id, if a
  // vector does not have the model's length or the embedding's norm is not 1.
  absl::Status Add(std::shared_ptr<const GalleryItem> item, absl::Span<const float> embedding,
                   absl::Span<const float> attributes);
  // Leaves the builder empty. `previous` and errors as IndexBuilder::Build.
  absl::StatusOr<std::shared_ptr<const GalleryBase>> Build(const IndexBuilder& index_builder,
                                                           const Index* previous);

 private:
  std::shared_ptr<GalleryBase> base_;
  EmbeddingMatrix embeddings_;
};

// InvalidArgument, naming the id, as GalleryBaseBuilder::Add.
absl::Status CheckVectors(const GalleryViewModel& model, const std::string& photo_id,
                          absl::Span<const float> embedding, absl::Span<const float> attributes);

}  // namespace s2p

#endif  // S2P_SERVER_GALLERY_GALLERY_BASE_H_
