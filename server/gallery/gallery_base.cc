#include "server/gallery/gallery_base.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/status_macros.h"

namespace s2p {
namespace {

// Rounding keeps unit vectors much closer to 1.
constexpr double kNormTolerance = 1e-3;

}  // namespace

absl::Status CheckVectors(const GalleryViewModel& model, const std::string& photo_id,
                          absl::Span<const float> embedding, absl::Span<const float> attributes) {
  const auto bad = [&photo_id](absl::string_view what) {
    return absl::InvalidArgumentError(absl::StrCat("photo_id '", photo_id, "': ", what));
  };
  if (embedding.size() != static_cast<size_t>(model.dimension)) {
    return bad(
        absl::StrCat("embedding: ", embedding.size(), " values instead of ", model.dimension));
  }
  double squares = 0;
  for (float value : embedding) squares += static_cast<double>(value) * value;
  // Written like this so that NaN is refused too.
  if (!(std::abs(std::sqrt(squares) - 1) <= kNormTolerance)) {
    return bad("embedding: its norm is not 1");
  }
  if (attributes.size() != model.attributes.size()) {
    return bad(absl::StrCat("attributes: ", attributes.size(), " values instead of ",
                            model.attributes.size()));
  }
  return absl::OkStatus();
}

int64_t GalleryBase::RowOf(absl::string_view photo_id) const {
  const auto it = std::lower_bound(items.begin(), items.end(), photo_id,
                                   [](const auto& item, absl::string_view id) {
                                     return absl::string_view(item->photo_id) < id;
                                   });
  if (it == items.end() || (*it)->photo_id != photo_id) return -1;
  return it - items.begin();
}

GalleryBaseBuilder::GalleryBaseBuilder(GalleryViewModel model, int64_t most)
    : base_(std::make_shared<GalleryBase>()), embeddings_(static_cast<int>(most), model.dimension) {
  base_->attributes =
      EmbeddingMatrix(static_cast<int>(most), static_cast<int>(model.attributes.size()));
  base_->items.reserve(static_cast<size_t>(most));
  base_->model = std::move(model);
}

absl::Status GalleryBaseBuilder::Add(std::shared_ptr<const GalleryItem> item,
                                     absl::Span<const float> embedding,
                                     absl::Span<const float> attributes) {
  S2P_RETURN_IF_ERROR(CheckVectors(base_->model, item->photo_id, embedding, attributes));
  if (base_->size() == embeddings_.rows()) {
    return absl::ResourceExhaustedError(
        absl::StrCat("more than the ", embeddings_.rows(), " rows that were reserved"));
  }
  S2P_CHECK(base_->items.empty() || base_->items.back()->photo_id < item->photo_id);
  const int row = static_cast<int>(base_->size());
  std::copy(embedding.begin(), embedding.end(), embeddings_.row(row).begin());
  std::copy(attributes.begin(), attributes.end(), base_->attributes.row(row).begin());
  base_->items.push_back(std::move(item));
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<const GalleryBase>> GalleryBaseBuilder::Build(
    const IndexBuilder& index_builder, const Index* previous) {
  const int rows = static_cast<int>(base_->size());
  embeddings_.Truncate(rows);
  base_->attributes.Truncate(rows);
  base_->metadata = MetadataIndex(base_->items);
  S2P_ASSIGN_OR_RETURN(base_->index,
                       index_builder.Build(base_->model.version, std::move(embeddings_), previous));
  return std::shared_ptr<const GalleryBase>(std::move(base_));
}

}  // namespace s2p
