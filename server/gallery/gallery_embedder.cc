#include "server/gallery/gallery_embedder.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "server/gallery/indexed_gallery_view.h"

namespace s2p {
namespace {

constexpr size_t kMaxBatch = 32;
constexpr int64_t kMaxBatchPixels = 16'000'000;
// Tries to decode one photo.
constexpr int kMostAttempts = 3;

// Says nothing about the image: its decoder could not work.
bool IsTemporary(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsResourceExhausted(status) ||
         absl::IsCancelled(status);
}

}  // namespace

absl::StatusOr<Image> GalleryEmbedder::ReadImage(const GalleryItem& item) const {
  S2P_ASSIGN_OR_RETURN(std::string bytes, blobs_->Read(item.sha256, item.bytes));
  return decode_(bytes);
}

absl::StatusOr<std::vector<EmbeddedItem>> GalleryEmbedder::Encode(
    absl::Span<const CatalogueItem> items, absl::Span<const Image> images) const {
  std::vector<EncoderInput> inputs;
  for (size_t i = 0; i < items.size(); ++i) {
    inputs.push_back({&images[i], items[i].item->modality});
  }
  S2P_ASSIGN_OR_RETURN(Encoding encoding, encoder_->Encode(inputs));
  const Encoding& result = encoding;
  const GalleryViewModel model{encoder_->version(), encoder_->dimension(), encoder_->attributes()};
  std::vector<EmbeddedItem> embedded;
  for (size_t i = 0; i < items.size(); ++i) {
    const absl::Span<const float> embedding = result.embeddings.row(static_cast<int>(i));
    const absl::Span<const float> attributes = result.attributes.row(static_cast<int>(i));
    GalleryRow row{items[i].item,
                   {embedding.begin(), embedding.end()},
                   {attributes.begin(), attributes.end()}};
    absl::Status status = CheckRow(model, row);
    if (!status.ok()) {
      return absl::InternalError(absl::StrCat("encoder: ", status.message()));
    }
    embedded.push_back({items[i].key, {std::move(row.embedding), std::move(row.attributes)}});
  }
  return embedded;
}

absl::StatusOr<std::vector<EmbeddedItem>> GalleryEmbedder::EncodeEach(
    absl::Span<const CatalogueItem> items, absl::Span<const Image> images,
    const LeaveOut& leave_out) const {
  std::vector<EmbeddedItem> embedded;
  std::vector<std::pair<const CatalogueItem*, absl::Status>> refused;
  for (size_t i = 0; i < items.size(); ++i) {
    auto alone = Encode(items.subspan(i, 1), images.subspan(i, 1));
    if (alone.ok()) {
      embedded.push_back(std::move(alone->front()));
    } else if (absl::IsInvalidArgument(alone.status())) {
      refused.emplace_back(&items[i], alone.status());
    } else {
      return alone.status();
    }
  }
  if (items.size() > 1 && embedded.empty()) {
    return absl::InternalError(
        absl::StrCat("encoder: refuses ", items.size(), " photos in a row; the first, ",
                     items[0].item->photo_id, ": ", refused[0].second.message()));
  }
  for (const auto& [item, status] : refused) leave_out(*item, status);
  return embedded;
}

absl::Status GalleryEmbedder::Embed(
    absl::Span<const CatalogueItem> items,
    const std::function<absl::Status(const std::vector<EmbeddedItem>&)>& store,
    const LeaveOut& leave_out) const {
  std::vector<CatalogueItem> batch;
  std::vector<Image> images;
  int64_t pixels = 0;
  const auto flush = [&]() -> absl::Status {
    std::vector<EmbeddedItem> embedded;
    absl::StatusOr<std::vector<EmbeddedItem>> together = Encode(batch, images);
    if (together.ok()) {
      embedded = *std::move(together);
    } else if (!absl::IsInvalidArgument(together.status())) {
      return together.status();
    } else {
      S2P_ASSIGN_OR_RETURN(embedded, EncodeEach(batch, images, leave_out));
    }
    batch.clear();
    images.clear();
    pixels = 0;
    return store(embedded);
  };
  std::vector<CatalogueItem> wanted(items.begin(), items.end());
  for (int attempt = 1; !wanted.empty(); ++attempt) {
    std::vector<CatalogueItem> slow;
    for (const CatalogueItem& item : wanted) {
      absl::StatusOr<Image> image = ReadImage(*item.item);
      if (IsTemporary(image.status())) return image.status();
      if (absl::IsDeadlineExceeded(image.status()) && attempt < kMostAttempts) {
        slow.push_back(item);
        continue;
      }
      if (!image.ok()) {
        leave_out(item, image.status());
        continue;
      }
      pixels += int64_t{image->width()} * image->height();
      batch.push_back(item);
      images.push_back(*std::move(image));
      if (batch.size() < kMaxBatch && pixels < kMaxBatchPixels) continue;
      S2P_RETURN_IF_ERROR(flush());
    }
    wanted = std::move(slow);
  }
  return batch.empty() ? absl::OkStatus() : flush();
}

}  // namespace s2p
