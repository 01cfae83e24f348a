// How a model comes to serve the gallery: DurableGallery::Activate.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/durable_gallery.h"

namespace s2p {

absl::Status DurableGallery::Store(int64_t version, const std::vector<EmbeddedItem>& embedded) {
  absl::MutexLock lock(&write_mutex_);
  absl::StatusOr<std::unique_ptr<Catalogue::Transaction>> transaction = writer_->Begin();
  if (!transaction.ok()) return transaction.status();
  for (const EmbeddedItem& item : embedded) {
    absl::Status status = writer_->PutEmbedding(item.key, version, item.embedding);
    if (!status.ok()) return status;
  }
  return (*transaction)->Commit();
}

absl::StatusOr<bool> DurableGallery::AnyMissing(int64_t version,
                                                const std::set<int64_t>& damaged) const {
  std::string after;
  for (;;) {
    auto page = writer_->ListWithoutEmbedding(version, after, kCataloguePageSize);
    if (!page.ok()) return page.status();
    if (page->empty()) return false;
    for (const CatalogueItem& item : *page) {
      if (damaged.count(item.key) == 0) return true;
    }
    after = page->back().item->photo_id;
  }
}

absl::StatusOr<std::shared_ptr<const IndexedGalleryView>> DurableGallery::LoadView(
    const Encoder& encoder) const {
  std::vector<GalleryRow> rows;
  absl::Status status = writer_->ForEachEmbedding(
      encoder.version(), [&rows](CatalogueItem item, CatalogueEmbedding embedding) {
        rows.push_back({std::move(item.item), std::move(embedding.embedding),
                        std::move(embedding.attributes)});
        return absl::OkStatus();
      });
  if (!status.ok()) return status;
  auto view = IndexedGalleryView::Build(
      {encoder.version(), encoder.dimension(), encoder.attributes()}, std::move(rows));
  if (absl::IsInvalidArgument(view.status())) {
    return absl::DataLossError(absl::StrCat(options_.data_dir, "/gallery.db: version ",
                                            encoder.version(), ": ", view.status().message()));
  }
  return view;
}

absl::Status DurableGallery::Activate(
    std::shared_ptr<const Encoder> encoder, const std::function<void(int64_t, int64_t)>& progress,
    const std::function<void(const std::string&, const absl::Status&)>& on_damaged) {
  absl::MutexLock one_at_a_time(&activate_mutex_);
  const int64_t version = encoder->version();
  int64_t total = 0;
  {
    absl::MutexLock lock(&read_mutex_);
    absl::StatusOr<int64_t> count = reader_->CountWithoutEmbedding(version);
    if (!count.ok()) return count.status();
    total = *count;
  }
  if (progress) progress(0, total);
  std::set<int64_t> damaged;
  GalleryEmbedder embedder(encoder.get(), &blobs_, options_.image_limits);
  int64_t done = 0;
  // Items may come while others are embedded, so passes repeat until one finds nothing to do. Each
  // is much shorter than the one before: an item costs more to add than to embed.
  for (;;) {
    std::string after;
    for (;;) {
      absl::StatusOr<std::vector<CatalogueItem>> page = Missing(version, after);
      if (!page.ok()) return page.status();
      if (page->empty()) break;
      after = page->back().item->photo_id;
      absl::Status status = embedder.Embed(
          *page,
          [&](const std::vector<EmbeddedItem>& embedded) {
            absl::Status stored = Store(version, embedded);
            if (!stored.ok()) return stored;
            done += static_cast<int64_t>(embedded.size());
            if (progress) progress(done, std::max(done, total));
            return stored;
          },
          [&](const CatalogueItem& item, const absl::Status& reason) {
            if (!damaged.insert(item.key).second) return;
            ++done;
            if (on_damaged) on_damaged(item.item->photo_id, reason);
          });
      if (!status.ok()) return status;
    }
    std::shared_ptr<const Snapshot> retired;
    absl::MutexLock lock(&write_mutex_);
    absl::StatusOr<bool> missing = AnyMissing(version, damaged);
    if (!missing.ok()) return missing.status();
    if (*missing) continue;
    absl::StatusOr<std::shared_ptr<const IndexedGalleryView>> view = LoadView(*encoder);
    if (!view.ok()) return view.status();
    // Bookkeeping: if the disk is full, old embeddings stay until the next start.
    writer_->NoteServing(version, options_.keep_versions).IgnoreError();
    encoder_ = std::move(encoder);
    Publish(*std::move(view), &retired);
    return absl::OkStatus();
  }
}

}  // namespace s2p
