// An item on its way into the gallery.
#ifndef S2P_SERVER_GALLERY_NEW_ITEM_H_
#define S2P_SERVER_GALLERY_NEW_ITEM_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "image/image.h"
#include "server/gallery/gallery_view.h"
#include "server/storage/blob_store.h"

namespace s2p {

// The action if the id is taken by an item with other bytes, modality or metadata.
enum class OnConflict { kFail, kReplace, kSkip };
enum class AddResult { kAdded, kReplaced, kUnchanged, kSkipped };

// A photo or sketch to add, and its embedding. It holds the original bytes, so it is moved and
// never copied. Thread-compatible.
struct NewItem {
  NewItem() = default;
  NewItem(NewItem&&) = default;
  NewItem& operator=(NewItem&&) = default;

  std::string photo_id;
  v1::Modality modality = v1::MODALITY_PHOTO;
  std::map<std::string, std::string> metadata;
  OnConflict on_conflict = OnConflict::kFail;
  // The original bytes, their Sha256 and their ReadImageHeader. The caller that fills in the bytes
  // computes the digest: the gallery trusts it and never hashes the bytes again. (Reading an item
  // that was stored with a wrong digest is DataLoss.)
  std::string bytes;
  std::string sha256;
  ImageHeader header;
  // The version of the model that computed the embedding and the attributes.
  int64_t version = 0;
  std::vector<float> embedding;
  std::vector<float> attributes;
  // DominantColours of a photo; empty for a sketch. Those of a photo that has none are found after
  // the next start.
  std::vector<ColourShare> colours;
};

// The outcome of adding `item` where `existing` has its id; null: the id is free. AlreadyExists if
// `on_conflict` says so. An unchanged item whose file is missing from `blobs`, or damaged there, is
// kReplaced, so the whole file is read; null: the file is not looked for.
absl::StatusOr<AddResult> DecideAdd(const NewItem& item, const GalleryItem* existing,
                                    const BlobStore* blobs);

// The gallery's record of `item`, created now.
std::shared_ptr<const GalleryItem> MakeGalleryItem(const NewItem& item);

}  // namespace s2p

#endif  // S2P_SERVER_GALLERY_NEW_ITEM_H_
