#include "server/gallery/gallery.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "server/gallery/durable_gallery.h"

namespace s2p {
DurableGallery::DurableGallery(GalleryOptions options, SnapshotSlot* slot,
                               std::unique_ptr<FolderLock> lock, BlobStore blobs,
                               std::unique_ptr<Catalogue> writer, std::unique_ptr<Catalogue> reader,
                               GalleryTotals totals)
    : options_(std::move(options)),
      slot_(slot),
      lock_(std::move(lock)),
      blobs_(std::move(blobs)),
      writer_(std::move(writer)),
      reader_(std::move(reader)),
      totals_(totals) {}

DurableGallery::~DurableGallery() {
  {
    absl::MutexLock lock(&state_mutex_);
    stopping_ = true;
  }
  if (compactor_.joinable()) compactor_.join();
}

absl::Status DurableGallery::Init() {
  IndexBuilderOptions index = options_.index;
  index.directory = absl::StrCat(options_.data_dir, "/index");
  index.interrupted = [this, also = options_.index.interrupted] {
    return stopping_ || (also && also());
  };
  S2P_ASSIGN_OR_RETURN(index_builder_, IndexBuilder::Create(std::move(index)));
  compactor_ = std::thread([this] { CompactWhenNeeded(); });
  return absl::OkStatus();
}

void DurableGallery::Publish(std::shared_ptr<const IndexedGalleryView> view,
                             std::shared_ptr<const Snapshot>* retired) {
  // A list or a write may hold it for longer than any snapshot.
  view = slot_->Guard(std::move(view));
  auto snapshot = std::make_shared<Snapshot>();
  snapshot->version = view->version();
  snapshot->encoder = encoder_;
  snapshot->gallery = view;
  {
    absl::MutexLock lock(&state_mutex_);
    // The old view lives on in the old snapshot.
    view_ = std::move(view);
  }
  *retired = slot_->Set(std::move(snapshot));
}

absl::StatusOr<std::shared_ptr<const GalleryItem>> DurableGallery::Get(
    const std::string& photo_id) const {
  absl::MutexLock lock(&read_mutex_);
  S2P_ASSIGN_OR_RETURN(CatalogueItem found, reader_->Find(photo_id));
  return found.item;
}

absl::StatusOr<std::vector<std::shared_ptr<const GalleryItem>>> DurableGallery::List(
    const std::string& after, int limit, const GalleryFilter& filter) const {
  const std::shared_ptr<const IndexedGalleryView> current = view();
  if (!filter.attributes.empty()) {
    if (current == nullptr) {
      return absl::FailedPreconditionError(
          "filter.attributes: no model serves yet, so that nothing is known of attributes");
    }
    // For an unknown name, even if no item comes to be looked at.
    S2P_RETURN_IF_ERROR(current->AttributesPass("", filter.attributes).status());
  }
  std::vector<std::shared_ptr<const GalleryItem>> items;
  std::string cursor = after;
  while (static_cast<int>(items.size()) < limit) {
    absl::StatusOr<std::vector<CatalogueItem>> page;
    {
      absl::MutexLock lock(&read_mutex_);
      page = reader_->List(cursor, kCataloguePageSize);
    }
    if (!page.ok()) return page.status();
    if (page->empty()) break;
    cursor = page->back().item->photo_id;
    for (CatalogueItem& entry : *page) {
      if (static_cast<int>(items.size()) == limit) break;
      if (!ItemPasses(*entry.item, filter)) continue;
      if (!filter.attributes.empty()) {
        S2P_ASSIGN_OR_RETURN(bool passes,
                             current->AttributesPass(entry.item->photo_id, filter.attributes));
        if (!passes) continue;
      }
      items.push_back(std::move(entry.item));
    }
  }
  return items;
}

absl::StatusOr<std::string> DurableGallery::ReadBlob(const GalleryItem& item) const {
  absl::StatusOr<std::string> bytes = blobs_.Read(item.sha256, item.bytes);
  if (!absl::IsNotFound(bytes.status())) return bytes;
  absl::MutexLock lock(&read_mutex_);
  S2P_ASSIGN_OR_RETURN(const bool named, reader_->HasBlob(item.sha256));
  // Deleted since the item was looked up.
  if (!named) return absl::NotFoundError(absl::StrCat("photo_id '", item.photo_id, "'"));
  return absl::DataLossError(absl::StrCat("photo_id '", item.photo_id,
                                          "': its file is missing: ", bytes.status().message()));
}

}  // namespace s2p
