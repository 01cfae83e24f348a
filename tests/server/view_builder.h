// Builds gallery views from rows, for tests.
#ifndef S2P_TESTS_SERVER_VIEW_BUILDER_H_
#define S2P_TESTS_SERVER_VIEW_BUILDER_H_

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "base/status_macros.h"
#include "server/gallery/gallery_base.h"
#include "server/gallery/indexed_gallery_view.h"
#include "server/index/index_builder.h"

namespace s2p::test {

inline std::unique_ptr<const IndexBuilder> MakeIndexBuilder(const std::string& kind = "Flat") {
  IndexBuilderOptions options;
  options.kind = kind;
  return *IndexBuilder::Create(std::move(options));
}

// A view whose rows are all in the base. `rows` in any order.
inline absl::StatusOr<std::shared_ptr<const IndexedGalleryView>> BuildView(
    const GalleryViewModel& model, std::vector<GalleryRow> rows, const IndexBuilder& builder) {
  std::sort(rows.begin(), rows.end(), [](const GalleryRow& a, const GalleryRow& b) {
    return a.item->photo_id < b.item->photo_id;
  });
  GalleryBaseBuilder base(model, static_cast<int64_t>(rows.size()));
  for (const GalleryRow& row : rows) {
    S2P_RETURN_IF_ERROR(base.Add(row.item, row.embedding, row.attributes));
  }
  S2P_ASSIGN_OR_RETURN(auto built, base.Build(builder, nullptr));
  return std::make_shared<const IndexedGalleryView>(std::move(built));
}

}  // namespace s2p::test

#endif  // S2P_TESTS_SERVER_VIEW_BUILDER_H_
