// Embeds stored items with another version of the model.
#ifndef S2P_SERVER_GALLERY_GALLERY_EMBEDDER_H_
#define S2P_SERVER_GALLERY_GALLERY_EMBEDDER_H_

#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "image/image.h"
#include "model/encoder.h"
#include "server/gallery/catalogue.h"
#include "server/storage/blob_store.h"

namespace s2p {

struct EmbeddedItem {
  int64_t key = 0;
  CatalogueEmbedding embedding;
};

// An item that the encoder cannot embed.
struct RefusedItem {
  CatalogueItem item;
  absl::Status reason;
};

// Reads, decodes and encodes blobs in batches that are limited by count and by pixels, because one
// photo may take 120 MB once it is decoded. Thread-compatible.
class GalleryEmbedder {
 public:
  using LeaveOut = std::function<void(const CatalogueItem&, const absl::Status&)>;

  // `encoder` and `blobs` must outlive it.
  GalleryEmbedder(const Encoder* encoder, const BlobStore* blobs,
                  std::function<absl::StatusOr<Image>(absl::string_view)> decode)
      : encoder_(encoder), blobs_(blobs), decode_(std::move(decode)) {}

  // Calls `store` with each finished batch, and `leave_out` for an item whose bytes are damaged or
  // which the encoder refuses (InvalidArgument or IsNotEmbeddable), and for one whose decoding took
  // too long (DeadlineExceeded) three times: the second time comes after all other items, when the
  // machine may be less busy. Stops at the first other failure of the encoder or of `store`, and
  // when an image cannot be decoded for now (Unavailable, ResourceExhausted, Cancelled), and
  // returns it; Internal if the encoder's vectors do not have the promised form. Internal also if
  // it refuses several items and embeds none, unless it `has_embedded` others before: the fault is
  // its own then.
  absl::Status Embed(absl::Span<const CatalogueItem> items, bool has_embedded,
                     const std::function<absl::Status(const std::vector<EmbeddedItem>&)>& store,
                     const LeaveOut& leave_out) const;

 private:
  absl::StatusOr<Image> ReadImage(const GalleryItem& item) const;
  absl::StatusOr<std::vector<EmbeddedItem>> Encode(absl::Span<const CatalogueItem> items,
                                                   absl::Span<const Image> images) const;
  // Encodes the items together or, if that is refused, one by one, so that only those at fault are
  // added to `refused`.
  absl::StatusOr<std::vector<EmbeddedItem>> EncodeBatch(absl::Span<const CatalogueItem> items,
                                                        absl::Span<const Image> images,
                                                        std::vector<RefusedItem>& refused) const;

  const Encoder* const encoder_;
  const BlobStore* const blobs_;
  const std::function<absl::StatusOr<Image>(absl::string_view)> decode_;
};

}  // namespace s2p

#endif  // S2P_SERVER_GALLERY_GALLERY_EMBEDDER_H_
