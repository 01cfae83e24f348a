// How a model comes to serve the gallery: DurableGallery::Activate.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "server/gallery/durable_gallery.h"

namespace s2p {
namespace {

// So few are embedded while writes wait for it.
constexpr size_t kLastBatch = 32;
// Passes over what is missing that leave room for searches, before the end is hurried on.
constexpr int kPatientPasses = 3;
// Written items that are looked up while writes wait, for each that may have to be embedded:
// looking up takes so much less time.
constexpr size_t kLookedUpPerEmbedded = 32;
// Rows of embeddings looked at while writes wait.
constexpr int64_t kDroppedAtOnce = 2048;

}  // namespace

absl::Status DurableGallery::StoreLocked(int64_t version,
                                         const std::vector<EmbeddedItem>& embedded) {
  S2P_ASSIGN_OR_RETURN(std::unique_ptr<Catalogue::Transaction> transaction, writer_->Begin());
  for (const EmbeddedItem& item : embedded) {
    S2P_RETURN_IF_ERROR(writer_->PutEmbedding(item.key, version, item.embedding));
  }
  return transaction->Commit();
}

void DurableGallery::NoteServing(int64_t version, bool resumed) {
  // Bookkeeping: if the disk is full, old embeddings stay until a later version serves.
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

absl::Status DurableGallery::DropRetired() {
  absl::MutexLock one_at_a_time(&activate_mutex_);
  for (int64_t after = 0;;) {
    absl::MutexLock lock(&write_mutex_);
    if (encoder_ == nullptr || unnoted_version_ != 0) return absl::OkStatus();
    if (after == 0) {
      S2P_ASSIGN_OR_RETURN(std::set<int64_t> kept, writer_->ServedVersions());
      // What serves may not have been noted: the disk was full.
      if (kept.count(encoder_->version()) == 0) return absl::OkStatus();
      index_builder_->Keep(kept);
    }
    S2P_ASSIGN_OR_RETURN(int64_t next, writer_->DropRetired(after, kDroppedAtOnce));
    if (next == 0) return absl::OkStatus();
    after = next;
  }
}

// Items come while others are embedded, so it is done over and over: first all that is missing,
// then what came meanwhile, then the view, then what came while that was built, and the last few
// items while writers wait. One thread.
class DurableGallery::Activation {
 public:
  using View = std::shared_ptr<const IndexedGalleryView>;

  Activation(DurableGallery* gallery, std::shared_ptr<const Encoder> encoder,
             const std::function<void(int64_t, int64_t)>& progress,
             const std::function<void(const std::string&, const absl::Status&)>& on_damaged,
             const std::function<absl::Status(absl::Duration)>& after_batch)
      : gallery_(gallery),
        encoder_(std::move(encoder)),
        version_(encoder_->version()),
        progress_(progress),
        on_damaged_(on_damaged),
        after_batch_(after_batch),
        embedder_(encoder_.get(), &gallery->blobs_, gallery->options_.image_limits) {}

  absl::Status Run() {
    S2P_ASSIGN_OR_RETURN(total_, gallery_->CountWithoutEmbedding(version_));
    if (progress_) progress_(0, total_);
    batch_begin_ = absl::Now();
    for (int pass = 1; pass <= kPatientPasses; ++pass) {
      S2P_ASSIGN_OR_RETURN(size_t embedded, EmbedMissing());
      if (embedded <= kLastBatch) break;
    }
    patient_ = false;

    Recording recording(gallery_);
    {
      absl::MutexLock lock(&gallery_->write_mutex_);
      recording.Begin();
    }
    absl::Status status = EmbedMissing().status();
    absl::StatusOr<View> view = status.ok() ? LoadView() : absl::StatusOr<View>(status);
    for (int round = 0; view.ok(); ++round) {
      if (after_batch_) status = after_batch_(absl::ZeroDuration());
      if (!status.ok()) return status;
      // Who adds as fast as the encoder embeds waits longer every time.
      S2P_ASSIGN_OR_RETURN(auto left,
                           TrySwap(**view, recording, kLastBatch << std::min(round, 10)));
      if (left.empty()) return absl::OkStatus();
      view = CaughtUp(**view, left);
    }
    return view.status();
  }

 private:
  // Embeds what has no embedding yet; how many that were.
  absl::StatusOr<size_t> EmbedMissing() {
    const int64_t before = done_;
    const auto store = [this](const std::vector<EmbeddedItem>& embedded) {
      return Store(embedded);
    };
    const auto leave_out = [this](const CatalogueItem& item, const absl::Status& reason) {
      LeaveOut(item, reason);
    };
    std::string after;
    for (;;) {
      absl::StatusOr<std::vector<CatalogueItem>> page;
      {
        absl::MutexLock lock(&gallery_->read_mutex_);
        page = gallery_->reader_->ListWithoutEmbedding(version_, after, kCataloguePageSize);
      }
      if (!page.ok()) return page.status();
      if (page->empty()) return static_cast<size_t>(done_ - before);
      after = page->back().item->photo_id;
      S2P_RETURN_IF_ERROR(embedder_.Embed(*page, store, leave_out));
    }
  }

  absl::Status Store(const std::vector<EmbeddedItem>& embedded) {
    absl::Status status;
    {
      absl::MutexLock lock(&gallery_->write_mutex_);
      status = gallery_->StoreLocked(version_, embedded);
    }
    if (!status.ok()) return status;
    Count(embedded.size());
    if (after_batch_) {
      status = after_batch_(patient_ ? absl::Now() - batch_begin_ : absl::ZeroDuration());
    }
    batch_begin_ = absl::Now();
    return status;
  }

  void Count(size_t embedded) {
    embedded_any_ |= embedded > 0;
    done_ += static_cast<int64_t>(embedded);
    if (progress_) progress_(done_, std::max(done_, total_));
  }

  void LeaveOut(const CatalogueItem& item, const absl::Status& reason) {
    if (!damaged_.insert(item.key).second) return;
    ++done_;
    if (on_damaged_) on_damaged_(item.item->photo_id, reason);
  }

  // Of all that is embedded.
  absl::StatusOr<View> LoadView() const {
    const std::string path = absl::StrCat(gallery_->options_.data_dir, "/gallery.db");
    // A connection of its own: this takes seconds, and nobody should wait for it.
    S2P_ASSIGN_OR_RETURN(auto catalogue, Catalogue::OpenReader(path));
    const GalleryViewModel model{version_, encoder_->dimension(), encoder_->attributes()};
    std::optional<GalleryBaseBuilder> builder;
    absl::Status status = (catalogue)->ForEachEmbedding(
        version_, [&](int64_t count) { builder.emplace(model, count); },
        [&](CatalogueItem item, CatalogueEmbedding embedding) {
          return builder->Add(std::move(item.item), embedding.embedding, embedding.attributes);
        });
    catalogue.reset();
    if (absl::IsInvalidArgument(status)) {
      return absl::DataLossError(
          absl::StrCat(path, ": version ", version_, ": ", status.message()));
    }
    if (!status.ok()) return status;
    S2P_ASSIGN_OR_RETURN(auto base, builder->Build(*gallery_->index_builder_, nullptr));
    return std::make_shared<const IndexedGalleryView>(std::move(base));
  }

  // What the catalogue says now of items that were written since the view was read.
  struct Changes {
    std::vector<GalleryRow> upserted;
    std::vector<std::string> removed;
    std::vector<CatalogueItem> missing;
  };
  absl::StatusOr<Changes> FindChanges(const Catalogue& catalogue,
                                      const std::vector<std::string>& ids) const {
    Changes changes;
    for (const std::string& photo_id : ids) {
      absl::StatusOr<CatalogueItem> item = catalogue.Find(photo_id);
      if (!item.ok() && !absl::IsNotFound(item.status())) return item.status();
      if (!item.ok() || damaged_.count(item->key) > 0) {
        changes.removed.push_back(photo_id);
        continue;
      }
      S2P_ASSIGN_OR_RETURN(auto embedding, catalogue.FindEmbedding(item->key, version_));
      if (embedding.has_value()) {
        changes.upserted.push_back({std::move(item->item), std::move(embedding->embedding),
                                    std::move(embedding->attributes)});
      } else {
        changes.missing.push_back(*std::move(item));
      }
    }
    return changes;
  }

  // The view with the changes, once those that are missing are embedded and stored.
  absl::StatusOr<View> Apply(
      const IndexedGalleryView& view, Changes changes,
      const std::function<absl::Status(const std::vector<EmbeddedItem>&)>& store) {
    std::map<int64_t, std::shared_ptr<const GalleryItem>> missing;
    for (const CatalogueItem& item : changes.missing) missing[item.key] = item.item;
    S2P_RETURN_IF_ERROR(embedder_.Embed(
        changes.missing,
        [&](const std::vector<EmbeddedItem>& embedded) {
          for (const EmbeddedItem& item : embedded) {
            changes.upserted.push_back(
                {missing[item.key], item.embedding.embedding, item.embedding.attributes});
          }
          return store(embedded);
        },
        [&](const CatalogueItem& item, const absl::Status& reason) {
          LeaveOut(item, reason);
          changes.removed.push_back(item.item->photo_id);
        }));
    return view.With(std::move(changes.upserted), changes.removed);
  }

  absl::StatusOr<View> CaughtUp(const IndexedGalleryView& view,
                                const std::vector<std::string>& ids) {
    absl::StatusOr<Changes> changes;
    {
      absl::MutexLock lock(&gallery_->read_mutex_);
      changes = FindChanges(*gallery_->reader_, ids);
    }
    if (!changes.ok()) return changes.status();
    return Apply(view, *std::move(changes),
                 [this](const std::vector<EmbeddedItem>& embedded) { return Store(embedded); });
  }

  // Publishes the view with all that was written since, if that is not too much and no more than
  // `most` items have to be embedded for it; else returns what was written.
  absl::StatusOr<std::vector<std::string>> TrySwap(const IndexedGalleryView& view,
                                                   Recording& recording, size_t most) {
    std::shared_ptr<const Snapshot> retired;
    absl::MutexLock lock(&gallery_->write_mutex_);
    std::vector<std::string> ids = recording.Take();
    if (ids.size() > most * kLookedUpPerEmbedded) return ids;
    S2P_ASSIGN_OR_RETURN(Changes changes, FindChanges(*gallery_->writer_, ids));
    if (changes.missing.size() > most) return ids;
    S2P_ASSIGN_OR_RETURN(
        View last,
        Apply(view, std::move(changes), [this](const std::vector<EmbeddedItem>& embedded) {
          absl::Status status = gallery_->StoreLocked(version_, embedded);
          if (status.ok()) Count(embedded.size());
          return status;
        }));
    const bool resumed = gallery_->encoder_ == nullptr && !embedded_any_ && last->size() > 0;
    gallery_->NoteServing(version_, resumed);
    gallery_->encoder_ = encoder_;
    gallery_->Publish(std::move(last), &retired);
    return std::vector<std::string>();
  }

  DurableGallery* const gallery_;
  const std::shared_ptr<const Encoder> encoder_;
  const int64_t version_;
  const std::function<void(int64_t, int64_t)>& progress_;
  const std::function<void(const std::string&, const absl::Status&)>& on_damaged_;
  const std::function<absl::Status(absl::Duration)>& after_batch_;
  const GalleryEmbedder embedder_;
  int64_t total_ = 0;
  int64_t done_ = 0;
  // Searches are left room.
  bool patient_ = true;
  bool embedded_any_ = false;
  // Keys of items that cannot be embedded.
  std::set<int64_t> damaged_;
  absl::Time batch_begin_;
};

absl::Status DurableGallery::Activate(
    std::shared_ptr<const Encoder> encoder, const std::function<void(int64_t, int64_t)>& progress,
    const std::function<void(const std::string&, const absl::Status&)>& on_damaged,
    const std::function<absl::Status(absl::Duration)>& after_batch) {
  absl::MutexLock one_at_a_time(&activate_mutex_);
  return Activation(this, std::move(encoder), progress, on_damaged, after_batch).Run();
}

}  // namespace s2p
