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

// Says that this image has no embedding, and nothing about others.
bool IsRefusal(const absl::Status& status) {
  return absl::IsInvalidArgument(status) || IsNotEmbeddable(status);
}

// Leaves out what the encoder refused, unless it embeds nothing else.
absl::Status LeaveOutRefused(const std::vector<RefusedItem>& refused, bool has_embedded,
                             const GalleryEmbedder::LeaveOut& leave_out) {
  if (refused.size() > 1 && !has_embedded) {
    const RefusedItem& first = refused.front();
    return absl::InternalError(absl::StrCat("encoder: refuses all of ", refused.size(),
                                            " photos; the first, ", first.item.item->photo_id, ": ",
                                            first.reason.message()));
  }
  for (const RefusedItem& one : refused) leave_out(one.item, one.reason);
  return absl::OkStatus();
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

absl::StatusOr<std::vector<EmbeddedItem>> GalleryEmbedder::EncodeBatch(
    absl::Span<const CatalogueItem> items, absl::Span<const Image> images,
    std::vector<RefusedItem>& refused) const {
  absl::StatusOr<std::vector<EmbeddedItem>> together = Encode(items, images);
  if (together.ok() || !IsRefusal(together.status())) return together;
  std::vector<EmbeddedItem> embedded;
  for (size_t i = 0; i < items.size(); ++i) {
    auto alone = Encode(items.subspan(i, 1), images.subspan(i, 1));
    if (alone.ok()) {
      embedded.push_back(std::move(alone->front()));
    } else if (IsRefusal(alone.status())) {
      refused.push_back({items[i], alone.status()});
    } else {
      return alone.status();
    }
  }
  return embedded;
}

absl::Status GalleryEmbedder::Embed(
    absl::Span<const CatalogueItem> items, bool has_embedded,
    const std::function<absl::Status(const std::vector<EmbeddedItem>&)>& store,
    const LeaveOut& leave_out) const {
  std::vector<CatalogueItem> batch;
  std::vector<Image> images;
  int64_t pixels = 0;
  std::vector<RefusedItem> refused;
  const auto flush = [&]() -> absl::Status {
    S2P_ASSIGN_OR_RETURN(const auto embedded, EncodeBatch(batch, images, refused));
    has_embedded = has_embedded || !embedded.empty();
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
  if (!batch.empty()) {
    S2P_RETURN_IF_ERROR(flush());
  }
  return LeaveOutRefused(refused, has_embedded, leave_out);
}

}  // namespace s2p
