#include "server/gallery/new_item.h"

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace s2p {

absl::StatusOr<AddResult> DecideAdd(const NewItem& item, const GalleryItem* existing,
                                    const BlobStore* blobs) {
  if (existing == nullptr) return AddResult::kAdded;
  if (existing->sha256 == item.sha256 && existing->modality == item.modality &&
      existing->metadata == item.metadata) {
    const bool lacks_file =
        blobs != nullptr && !blobs->Read(existing->sha256, existing->bytes).ok();
    return lacks_file ? AddResult::kReplaced : AddResult::kUnchanged;
  }
  if (item.on_conflict == OnConflict::kReplace) return AddResult::kReplaced;
  if (item.on_conflict == OnConflict::kSkip) return AddResult::kSkipped;
  return absl::AlreadyExistsError(absl::StrCat("photo_id '", item.photo_id,
                                               "' is already in the gallery with other ",
                                               existing->sha256 != item.sha256       ? "bytes"
                                               : existing->modality != item.modality ? "modality"
                                                                                     : "metadata"));
}

std::shared_ptr<const GalleryItem> MakeGalleryItem(const NewItem& item) {
  auto made = std::make_shared<GalleryItem>();
  made->photo_id = item.photo_id;
  made->modality = item.modality;
  made->metadata = item.metadata;
  made->sha256 = item.sha256;
  made->bytes = item.bytes.size();
  made->content_type = std::string(ContentType(item.header.format));
  made->width = item.header.width;
  made->height = item.header.height;
  made->colours = item.colours;
  // In the catalogue's resolution, so that the item is the same after a restart.
  made->created_at = absl::FromUnixMicros(absl::ToUnixMicros(absl::Now()));
  return made;
}

}  // namespace s2p
