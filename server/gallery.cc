#include "server/gallery.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "model/check.h"
#include "model/checkpoint.h"
#include "model/file.h"
#include "server/blob_store.h"
#include "server/catalogue.h"
#include "server/data_dir_lock.h"
#include "server/gallery_embedder.h"
#include "server/indexed_gallery_view.h"

namespace s2p {
namespace {

constexpr int kPageSize = 256;

// What adding would do to an id whose item is `existing`, null where there is none.
absl::StatusOr<AddResult> Decide(const GalleryItem* existing, const std::string& photo_id,
                                 v1::Modality modality,
                                 const std::map<std::string, std::string>& metadata,
                                 const std::string& sha256, OnConflict on_conflict) {
  if (existing == nullptr) return AddResult::kAdded;
  if (existing->sha256 == sha256 && existing->modality == modality &&
      existing->metadata == metadata) {
    return AddResult::kUnchanged;
  }
  if (on_conflict == OnConflict::kReplace) return AddResult::kReplaced;
  if (on_conflict == OnConflict::kSkip) return AddResult::kSkipped;
  return absl::AlreadyExistsError(absl::StrCat("photo_id '", photo_id,
                                               "' is there already with other ",
                                               existing->sha256 != sha256       ? "bytes"
                                               : existing->modality != modality ? "modality"
                                                                                : "metadata"));
}

std::shared_ptr<const GalleryItem> MakeItem(const NewItem& item, const std::string& sha256) {
  auto made = std::make_shared<GalleryItem>();
  made->photo_id = item.photo_id;
  made->modality = item.modality;
  made->metadata = item.metadata;
  made->sha256 = sha256;
  made->bytes = item.bytes.size();
  made->content_type = std::string(ContentType(item.header.format));
  made->width = item.header.width;
  made->height = item.header.height;
  // As the catalogue keeps it, so that the item is the same after a restart.
  made->created_at = absl::FromUnixMicros(absl::ToUnixMicros(absl::Now()));
  return made;
}

// Null for NotFound.
absl::StatusOr<std::shared_ptr<const GalleryItem>> FindOrNull(const Catalogue& catalogue,
                                                              const std::string& photo_id) {
  absl::StatusOr<CatalogueItem> found = catalogue.Find(photo_id);
  if (found.ok()) return found->item;
  if (absl::IsNotFound(found.status())) return std::shared_ptr<const GalleryItem>();
  return found.status();
}

class DurableGallery final : public Gallery {
 public:
  DurableGallery(GalleryOptions options, SnapshotSlot* slot, std::unique_ptr<DataDirLock> lock,
                 BlobStore blobs, std::unique_ptr<Catalogue> writer,
                 std::unique_ptr<Catalogue> reader, GalleryTotals totals)
      : options_(std::move(options)),
        slot_(slot),
        lock_(std::move(lock)),
        blobs_(std::move(blobs)),
        writer_(std::move(writer)),
        reader_(std::move(reader)),
        totals_(totals) {}

  absl::Status Activate(
      std::shared_ptr<const Encoder> encoder, const std::function<void(int64_t, int64_t)>& progress,
      const std::function<void(const std::string&, const absl::Status&)>& on_damaged) override;
  std::vector<absl::StatusOr<AddResult>> Add(std::vector<NewItem> items) override;
  absl::StatusOr<AddResult> Check(const std::string& photo_id, v1::Modality modality,
                                  const std::map<std::string, std::string>& metadata,
                                  const std::string& sha256, OnConflict on_conflict) const override;
  absl::StatusOr<std::vector<bool>> Delete(absl::Span<const std::string> photo_ids) override;
  absl::StatusOr<std::shared_ptr<const GalleryItem>> UpdateMetadata(
      const std::string& photo_id, const std::map<std::string, std::string>& metadata) override;
  absl::StatusOr<std::shared_ptr<const GalleryItem>> Get(
      const std::string& photo_id) const override;
  absl::StatusOr<std::vector<std::shared_ptr<const GalleryItem>>> List(
      const std::string& after, int limit, const GalleryFilter& filter) const override;

  absl::StatusOr<std::string> ReadBlob(const GalleryItem& item) const override {
    return blobs_.Read(item.sha256, item.bytes);
  }
  GalleryTotals Totals() const override {
    absl::MutexLock lock(&state_mutex_);
    return totals_;
  }
  absl::StatusOr<std::optional<int64_t>> PinnedVersion() const override {
    absl::MutexLock lock(&read_mutex_);
    return reader_->PinnedVersion();
  }
  absl::Status SetPinnedVersion(std::optional<int64_t> version) override {
    absl::MutexLock lock(&write_mutex_);
    return writer_->SetPinnedVersion(version);
  }

 private:
  // One item of a call of Add that is to be written.
  struct Planned {
    size_t position;
    std::shared_ptr<const GalleryItem> item;
    // Null where none is replaced.
    std::shared_ptr<const GalleryItem> replaced;
  };

  std::vector<Planned> Plan(const std::vector<NewItem>& items,
                            const std::vector<std::string>& digests,
                            std::vector<absl::StatusOr<AddResult>>* results)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_);
  absl::Status WritePlanned(const std::vector<Planned>& planned, std::vector<NewItem>* items,
                            std::shared_ptr<const Snapshot>* retired)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_);
  absl::Status InsertPlanned(const Planned& planned, const NewItem& item)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_);
  // Blobs are shared by items with the same bytes. What cannot be removed is swept at a later
  // start.
  void RemoveUnreferenced(const std::set<std::string>& digests)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_);
  absl::StatusOr<bool> AnyMissing(int64_t version, const std::set<int64_t>& damaged) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_);
  absl::StatusOr<std::shared_ptr<const IndexedGalleryView>> LoadView(const Encoder& encoder) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_);
  absl::StatusOr<std::vector<CatalogueItem>> Missing(int64_t version,
                                                     const std::string& after) const {
    absl::MutexLock lock(&read_mutex_);
    return reader_->ListWithoutEmbedding(version, after, kPageSize);
  }
  absl::Status Store(int64_t version, const std::vector<EmbeddedItem>& embedded);

  std::shared_ptr<const IndexedGalleryView> view() const {
    absl::MutexLock lock(&state_mutex_);
    return view_;
  }
  // Makes `view` the one that is searched. The snapshot it replaces is moved to `retired`, which
  // must die after the caller's lock.
  void Publish(std::shared_ptr<const IndexedGalleryView> view,
               std::shared_ptr<const Snapshot>* retired)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_);
  void Count(const GalleryItem& item, int sign) {
    absl::MutexLock lock(&state_mutex_);
    const uint64_t one = sign > 0 ? 1 : ~uint64_t{0};
    (item.modality == v1::MODALITY_SKETCH ? totals_.sketches : totals_.photos) += one;
    totals_.bytes += one * item.bytes;
  }

  const GalleryOptions options_;
  SnapshotSlot* const slot_;
  const std::unique_ptr<DataDirLock> lock_;
  const BlobStore blobs_;

  // Held for a whole activation, before the others.
  absl::Mutex activate_mutex_;

  mutable absl::Mutex write_mutex_;
  std::unique_ptr<Catalogue> writer_ ABSL_GUARDED_BY(write_mutex_);
  std::shared_ptr<const Encoder> encoder_ ABSL_GUARDED_BY(write_mutex_);

  mutable absl::Mutex read_mutex_;
  std::unique_ptr<Catalogue> reader_ ABSL_GUARDED_BY(read_mutex_);

  // Never held for work.
  mutable absl::Mutex state_mutex_;
  std::shared_ptr<const IndexedGalleryView> view_ ABSL_GUARDED_BY(state_mutex_);
  GalleryTotals totals_ ABSL_GUARDED_BY(state_mutex_);
};

void DurableGallery::Publish(std::shared_ptr<const IndexedGalleryView> view,
                             std::shared_ptr<const Snapshot>* retired) {
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
    auto page = writer_->ListWithoutEmbedding(version, after, kPageSize);
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

absl::StatusOr<AddResult> DurableGallery::Check(const std::string& photo_id, v1::Modality modality,
                                                const std::map<std::string, std::string>& metadata,
                                                const std::string& sha256,
                                                OnConflict on_conflict) const {
  absl::StatusOr<std::shared_ptr<const GalleryItem>> existing;
  {
    absl::MutexLock lock(&read_mutex_);
    existing = FindOrNull(*reader_, photo_id);
  }
  if (!existing.ok()) return existing.status();
  return Decide(existing->get(), photo_id, modality, metadata, sha256, on_conflict);
}

std::vector<DurableGallery::Planned> DurableGallery::Plan(
    const std::vector<NewItem>& items, const std::vector<std::string>& digests,
    std::vector<absl::StatusOr<AddResult>>* results) {
  std::vector<Planned> planned;
  // What an earlier item of this call leaves under an id.
  std::map<std::string, std::shared_ptr<const GalleryItem>> earlier;
  const std::shared_ptr<const IndexedGalleryView> current = view();
  for (size_t i = 0; i < items.size(); ++i) {
    const NewItem& item = items[i];
    absl::StatusOr<AddResult>& result = (*results)[i];
    if (current == nullptr) {
      result = absl::UnavailableError("no model serves yet");
      continue;
    }
    if (item.version != current->version()) {
      result = absl::AbortedError(absl::StrCat("embedded with version ", item.version,
                                               " of the model, but version ", current->version(),
                                               " serves now"));
      continue;
    }
    absl::Status status =
        CheckRow(current->model(), {MakeItem(item, digests[i]), item.embedding, item.attributes});
    absl::StatusOr<std::shared_ptr<const GalleryItem>> existing =
        earlier.count(item.photo_id) != 0 ? earlier[item.photo_id]
                                          : FindOrNull(*writer_, item.photo_id);
    if (status.ok()) status = existing.status();
    if (!status.ok()) {
      result = status;
      continue;
    }
    result = Decide(existing->get(), item.photo_id, item.modality, item.metadata, digests[i],
                    item.on_conflict);
    if (!result.ok() || (*result != AddResult::kAdded && *result != AddResult::kReplaced)) continue;
    planned.push_back({i, MakeItem(item, digests[i]), *existing});
    earlier[item.photo_id] = planned.back().item;
  }
  return planned;
}

absl::Status DurableGallery::InsertPlanned(const Planned& planned, const NewItem& item) {
  if (planned.replaced != nullptr) {
    absl::StatusOr<bool> removed = writer_->Remove(item.photo_id);
    if (!removed.ok()) return removed.status();
  }
  absl::StatusOr<int64_t> key = writer_->Insert(*planned.item);
  if (!key.ok()) return key.status();
  return writer_->PutEmbedding(*key, item.version, {item.embedding, item.attributes});
}

absl::Status DurableGallery::WritePlanned(const std::vector<Planned>& planned,
                                          std::vector<NewItem>* items,
                                          std::shared_ptr<const Snapshot>* retired) {
  std::vector<Blob> blobs;
  for (const Planned& plan : planned) {
    blobs.push_back({plan.item->sha256, (*items)[plan.position].bytes});
  }
  absl::Status status = blobs_.Write(blobs);
  if (!status.ok()) return status;
  absl::StatusOr<std::unique_ptr<Catalogue::Transaction>> transaction = writer_->Begin();
  if (!transaction.ok()) return transaction.status();
  // The last item under an id is the one that stays.
  std::map<std::string, GalleryRow> rows;
  for (const Planned& plan : planned) {
    NewItem& item = (*items)[plan.position];
    status = InsertPlanned(plan, item);
    if (!status.ok()) return status;
    rows[item.photo_id] = {plan.item, std::move(item.embedding), std::move(item.attributes)};
  }
  std::vector<GalleryRow> upserted;
  for (auto& [photo_id, row] : rows) upserted.push_back(std::move(row));
  // Before the commit: a view that cannot be made fails the write.
  auto next = view()->With(std::move(upserted), {});
  if (!next.ok()) return next.status();
  status = (*transaction)->Commit();
  if (!status.ok()) return status;
  Publish(*std::move(next), retired);
  return absl::OkStatus();
}

std::vector<absl::StatusOr<AddResult>> DurableGallery::Add(std::vector<NewItem> items) {
  std::vector<absl::StatusOr<AddResult>> results(items.size());
  std::vector<std::string> digests;
  for (const NewItem& item : items) digests.push_back(Sha256(item.bytes));
  std::shared_ptr<const Snapshot> retired;
  absl::MutexLock lock(&write_mutex_);
  const std::vector<Planned> planned = Plan(items, digests, &results);
  if (planned.empty()) return results;
  absl::Status status = WritePlanned(planned, &items, &retired);
  std::set<std::string> unused;
  for (const Planned& plan : planned) {
    if (!status.ok()) {
      results[plan.position] = status;
      unused.insert(plan.item->sha256);
      continue;
    }
    Count(*plan.item, +1);
    if (plan.replaced == nullptr) continue;
    Count(*plan.replaced, -1);
    unused.insert(plan.replaced->sha256);
  }
  RemoveUnreferenced(unused);
  return results;
}

void DurableGallery::RemoveUnreferenced(const std::set<std::string>& digests) {
  for (const std::string& digest : digests) {
    absl::StatusOr<bool> referenced = writer_->HasBlob(digest);
    if (referenced.ok() && !*referenced) blobs_.Remove(digest).IgnoreError();
  }
}

absl::StatusOr<std::vector<bool>> DurableGallery::Delete(absl::Span<const std::string> photo_ids) {
  std::shared_ptr<const Snapshot> retired;
  absl::MutexLock lock(&write_mutex_);
  absl::StatusOr<std::unique_ptr<Catalogue::Transaction>> transaction = writer_->Begin();
  if (!transaction.ok()) return transaction.status();
  std::vector<bool> there;
  std::vector<std::shared_ptr<const GalleryItem>> deleted;
  for (const std::string& photo_id : photo_ids) {
    auto item = FindOrNull(*writer_, photo_id);
    if (!item.ok()) return item.status();
    there.push_back(*item != nullptr);
    if (*item == nullptr) continue;
    absl::StatusOr<bool> removed = writer_->Remove(photo_id);
    if (!removed.ok()) return removed.status();
    deleted.push_back(*std::move(item));
  }
  if (deleted.empty()) return there;
  std::shared_ptr<const IndexedGalleryView> next = view();
  if (next != nullptr) {
    auto without = next->With({}, photo_ids);
    if (!without.ok()) return without.status();
    next = *std::move(without);
  }
  absl::Status status = (*transaction)->Commit();
  if (!status.ok()) return status;
  if (next != nullptr) Publish(std::move(next), &retired);
  std::set<std::string> unused;
  for (const auto& item : deleted) {
    Count(*item, -1);
    unused.insert(item->sha256);
  }
  RemoveUnreferenced(unused);
  return there;
}

absl::StatusOr<std::shared_ptr<const GalleryItem>> DurableGallery::UpdateMetadata(
    const std::string& photo_id, const std::map<std::string, std::string>& metadata) {
  std::shared_ptr<const Snapshot> retired;
  absl::MutexLock lock(&write_mutex_);
  absl::StatusOr<std::unique_ptr<Catalogue::Transaction>> transaction = writer_->Begin();
  if (!transaction.ok()) return transaction.status();
  absl::Status status = writer_->SetMetadata(photo_id, metadata);
  if (!status.ok()) return status;
  absl::StatusOr<CatalogueItem> item = writer_->Find(photo_id);
  if (!item.ok()) return item.status();
  std::shared_ptr<const IndexedGalleryView> next = view();
  // An item that could not be embedded is in no view.
  if (next != nullptr && next->Find(photo_id) != nullptr) {
    const absl::Span<const float> embedding = *next->EmbeddingOf(photo_id);
    const absl::Span<const float> attributes = *next->AttributesOf(photo_id);
    GalleryRow row{
        item->item, {embedding.begin(), embedding.end()}, {attributes.begin(), attributes.end()}};
    std::vector<GalleryRow> rows;
    rows.push_back(std::move(row));
    auto with = next->With(std::move(rows), {});
    if (!with.ok()) return with.status();
    next = *std::move(with);
  } else {
    next = nullptr;
  }
  status = (*transaction)->Commit();
  if (!status.ok()) return status;
  if (next != nullptr) Publish(std::move(next), &retired);
  return item->item;
}

absl::StatusOr<std::shared_ptr<const GalleryItem>> DurableGallery::Get(
    const std::string& photo_id) const {
  absl::MutexLock lock(&read_mutex_);
  absl::StatusOr<CatalogueItem> found = reader_->Find(photo_id);
  if (!found.ok()) return found.status();
  return found->item;
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
    absl::Status known = current->AttributesPass("", filter.attributes).status();
    if (!known.ok()) return known;
  }
  std::vector<std::shared_ptr<const GalleryItem>> items;
  std::string cursor = after;
  while (static_cast<int>(items.size()) < limit) {
    absl::StatusOr<std::vector<CatalogueItem>> page;
    {
      absl::MutexLock lock(&read_mutex_);
      page = reader_->List(cursor, kPageSize);
    }
    if (!page.ok()) return page.status();
    if (page->empty()) break;
    cursor = page->back().item->photo_id;
    for (CatalogueItem& entry : *page) {
      if (static_cast<int>(items.size()) == limit) break;
      if (!ItemPasses(*entry.item, filter)) continue;
      if (!filter.attributes.empty()) {
        absl::StatusOr<bool> passes =
            current->AttributesPass(entry.item->photo_id, filter.attributes);
        if (!passes.ok()) return passes.status();
        if (!*passes) continue;
      }
      items.push_back(std::move(entry.item));
    }
  }
  return items;
}

absl::Status CheckOptions(const GalleryOptions& options) {
  if (options.data_dir.empty()) return absl::InvalidArgumentError("data_dir: empty");
  if (options.keep_versions < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("keep_versions: ", options.keep_versions, " is below 1"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Gallery>> Gallery::Open(const GalleryOptions& options,
                                                       SnapshotSlot* slot) {
  absl::Status status = CheckOptions(options);
  if (!status.ok()) return status;
  auto lock = DataDirLock::Acquire(options.data_dir);
  if (!lock.ok()) return lock.status();
  const std::string path = absl::StrCat(options.data_dir, "/gallery.db");
  auto writer = Catalogue::Open(path);
  if (!writer.ok()) return writer.status();
  auto reader = Catalogue::OpenReader(path);
  if (!reader.ok()) return reader.status();
  auto blobs = BlobStore::Open(absl::StrCat(options.data_dir, "/photos"));
  if (!blobs.ok()) return blobs.status();
  status = SyncDirectory(options.data_dir);
  if (!status.ok()) return status;
  const Catalogue& catalogue = **reader;
  absl::StatusOr<int64_t> swept =
      blobs->Sweep([&catalogue](const std::string& sha256) { return catalogue.HasBlob(sha256); });
  if (!swept.ok()) return swept.status();
  absl::StatusOr<CatalogueTotals> counted = catalogue.Totals();
  if (!counted.ok()) return counted.status();
  GalleryTotals totals;
  totals.photos = static_cast<uint64_t>(counted->photos);
  totals.sketches = static_cast<uint64_t>(counted->sketches);
  totals.bytes = static_cast<uint64_t>(counted->bytes);
  return std::unique_ptr<Gallery>(
      std::make_unique<DurableGallery>(options, slot, *std::move(lock), *std::move(blobs),
                                       *std::move(writer), *std::move(reader), totals));
}

}  // namespace s2p
