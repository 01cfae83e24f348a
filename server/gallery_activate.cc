// How a model comes to serve the gallery: DurableGallery::Activate.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/durable_gallery.h"

namespace s2p {

namespace {

// So few are embedded while writes wait for it.
constexpr size_t kLastBatch = 32;
// Passes over what is missing, before the last batch is embedded so.
constexpr int kPatientPasses = 3;

}  // namespace

absl::Status DurableGallery::StoreLocked(int64_t version,
                                         const std::vector<EmbeddedItem>& embedded) {
  absl::StatusOr<std::unique_ptr<Catalogue::Transaction>> transaction = writer_->Begin();
  if (!transaction.ok()) return transaction.status();
  for (const EmbeddedItem& item : embedded) {
    absl::Status status = writer_->PutEmbedding(item.key, version, item.embedding);
    if (!status.ok()) return status;
  }
  return (*transaction)->Commit();
}

absl::StatusOr<std::vector<CatalogueItem>> DurableGallery::StillMissing(
    int64_t version, const std::set<int64_t>& damaged) const {
  std::vector<CatalogueItem> missing;
  std::string after;
  for (;;) {
    auto page = writer_->ListWithoutEmbedding(version, after, kCataloguePageSize);
    if (!page.ok()) return page.status();
    if (page->empty()) return missing;
    after = page->back().item->photo_id;
    for (CatalogueItem& item : *page) {
      if (damaged.count(item.key) > 0) continue;
      missing.push_back(std::move(item));
      if (missing.size() > kLastBatch) return missing;
    }
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

void DurableGallery::NoteServing(int64_t version, bool resumed) {
  // Bookkeeping: if the disk is full, old embeddings stay until the next start.
  const int keep = options_.keep_versions;
  if (resumed) {
    unnoted_version_ = version;
    return;
  }
  if (const int64_t before = std::exchange(unnoted_version_, 0); before != 0) {
    writer_->NoteServing(version, keep + 1).IgnoreError();
    writer_->NoteServing(before, keep + 1).IgnoreError();
  }
  writer_->NoteServing(version, keep).IgnoreError();
}

absl::StatusOr<bool> DurableGallery::TrySwap(const GalleryEmbedder& embedder,
                                             const std::shared_ptr<const Encoder>& encoder,
                                             bool embed_last, bool embedded_any,
                                             const std::set<int64_t>& damaged) {
  const int64_t version = encoder->version();
  std::shared_ptr<const Snapshot> retired;
  absl::MutexLock lock(&write_mutex_);
  absl::StatusOr<std::vector<CatalogueItem>> missing = StillMissing(version, damaged);
  if (!missing.ok()) return missing.status();
  if (!missing->empty()) {
    if (!embed_last || missing->size() > kLastBatch) return false;
    std::set<int64_t> also_damaged;
    absl::Status status = embedder.Embed(
        *missing,
        [&](const std::vector<EmbeddedItem>& embedded)
            ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_) { return StoreLocked(version, embedded); },
        [&](const CatalogueItem& item, const absl::Status&) { also_damaged.insert(item.key); });
    if (!status.ok()) return status;
    // They are left to a pass without the lock, which says why.
    if (!also_damaged.empty()) return false;
  }
  absl::StatusOr<std::shared_ptr<const IndexedGalleryView>> view = LoadView(*encoder);
  if (!view.ok()) return view.status();
  const bool resumed = encoder_ == nullptr && !embedded_any && (*view)->size() > 0;
  NoteServing(version, resumed);
  encoder_ = encoder;
  Publish(*std::move(view), &retired);
  return true;
}

absl::Status DurableGallery::Activate(
    std::shared_ptr<const Encoder> encoder, const std::function<void(int64_t, int64_t)>& progress,
    const std::function<void(const std::string&, const absl::Status&)>& on_damaged,
    const std::function<absl::Status(absl::Duration)>& after_batch) {
  absl::MutexLock one_at_a_time(&activate_mutex_);
  const int64_t version = encoder->version();
  absl::StatusOr<int64_t> count = CountWithoutEmbedding(version);
  if (!count.ok()) return count.status();
  const int64_t total = *count;
  if (progress) progress(0, total);
  std::set<int64_t> damaged;
  GalleryEmbedder embedder(encoder.get(), &blobs_, options_.image_limits);
  int64_t done = 0;
  bool embedded_any = false;
  absl::Time begin = absl::Now();
  // Items come while others are embedded, so passes repeat until one leaves nothing to do. Each is
  // much shorter than the one before, as long as items are embedded faster than they are added; if
  // they are not, the later passes do not wait, and the last few items are embedded while writers
  // wait.
  for (int pass = 1;; ++pass) {
    const auto store = [&](const std::vector<EmbeddedItem>& embedded) {
      absl::Status status = Store(version, embedded);
      if (!status.ok()) return status;
      done += static_cast<int64_t>(embedded.size());
      embedded_any |= !embedded.empty();
      if (progress) progress(done, std::max(done, total));
      if (after_batch) {
        status = after_batch(pass > kPatientPasses ? absl::ZeroDuration() : absl::Now() - begin);
      }
      begin = absl::Now();
      return status;
    };
    const auto leave_out = [&](const CatalogueItem& item, const absl::Status& reason) {
      if (!damaged.insert(item.key).second) return;
      ++done;
      if (on_damaged) on_damaged(item.item->photo_id, reason);
    };
    std::string after;
    for (;;) {
      absl::StatusOr<std::vector<CatalogueItem>> page = Missing(version, after);
      if (!page.ok()) return page.status();
      if (page->empty()) break;
      after = page->back().item->photo_id;
      absl::Status status = embedder.Embed(*page, store, leave_out);
      if (!status.ok()) return status;
    }
    absl::StatusOr<bool> swapped =
        TrySwap(embedder, encoder, pass >= kPatientPasses, embedded_any, damaged);
    if (!swapped.ok()) return swapped.status();
    if (*swapped) return absl::OkStatus();
  }
}

}  // namespace s2p
