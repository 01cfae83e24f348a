// What changes the gallery: DurableGallery::Add, Delete and UpdateMetadata.
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "model/check.h"
#include "model/sha256.h"
#include "server/gallery/durable_gallery.h"

namespace s2p {
namespace {

// A batch of the encoder, a few times over.
constexpr size_t kMostWrittenTogether = 128;

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

}  // namespace

absl::StatusOr<AddResult> DurableGallery::Decide(const GalleryItem* existing,
                                                 const std::string& photo_id, v1::Modality modality,
                                                 const std::map<std::string, std::string>& metadata,
                                                 const std::string& sha256,
                                                 OnConflict on_conflict) {
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

absl::StatusOr<std::shared_ptr<const GalleryItem>> DurableGallery::FindOrNull(
    const Catalogue& catalogue, const std::string& photo_id) {
  absl::StatusOr<CatalogueItem> found = catalogue.Find(photo_id);
  if (found.ok()) return found->item;
  if (absl::IsNotFound(found.status())) return std::shared_ptr<const GalleryItem>();
  return found.status();
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
  auto result = Decide(existing->get(), photo_id, modality, metadata, sha256, on_conflict);
  if (LacksFile(result, existing->get())) return AddResult::kReplaced;
  return result;
}

bool DurableGallery::LacksFile(const absl::StatusOr<AddResult>& decided,
                               const GalleryItem* existing) const {
  return decided.ok() && *decided == AddResult::kUnchanged &&
         !blobs_.Has(existing->sha256, existing->bytes);
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
    const bool in_this_batch = earlier.count(item.photo_id) != 0;
    absl::StatusOr<std::shared_ptr<const GalleryItem>> existing =
        in_this_batch ? earlier[item.photo_id] : FindOrNull(*writer_, item.photo_id);
    if (status.ok()) status = existing.status();
    if (!status.ok()) {
      result = status;
      continue;
    }
    result = Decide(existing->get(), item.photo_id, item.modality, item.metadata, digests[i],
                    item.on_conflict);
    if (!in_this_batch && LacksFile(result, existing->get())) result = AddResult::kReplaced;
    if (!result.ok() || (*result != AddResult::kAdded && *result != AddResult::kReplaced)) continue;
    planned.push_back({i, MakeItem(item, digests[i]), *existing});
    earlier[item.photo_id] = planned.back().item;
  }
  return planned;
}

absl::Status DurableGallery::InsertPlanned(const Planned& planned, const NewItem& item) {
  if (planned.replaced != nullptr) {
    S2P_RETURN_IF_ERROR(writer_->Remove(item.photo_id).status());
  }
  S2P_ASSIGN_OR_RETURN(int64_t key, writer_->Insert(*planned.item));
  return writer_->PutEmbedding(key, item.version, {item.embedding, item.attributes});
}

absl::Status DurableGallery::WritePlanned(const std::vector<Planned>& planned,
                                          std::vector<NewItem>* items,
                                          std::shared_ptr<const Snapshot>* retired) {
  std::vector<Blob> blobs;
  for (const Planned& plan : planned) {
    blobs.push_back({plan.item->sha256, (*items)[plan.position].bytes});
  }
  S2P_RETURN_IF_ERROR(blobs_.Write(blobs));
  S2P_ASSIGN_OR_RETURN(std::unique_ptr<Catalogue::Transaction> transaction, writer_->Begin());
  // The last item under an id is the one that stays.
  std::map<std::string, GalleryRow> rows;
  for (const Planned& plan : planned) {
    NewItem& item = (*items)[plan.position];
    S2P_RETURN_IF_ERROR(InsertPlanned(plan, item));
    rows[item.photo_id] = {plan.item, std::move(item.embedding), std::move(item.attributes)};
  }
  std::vector<GalleryRow> upserted;
  for (auto& [photo_id, row] : rows) upserted.push_back(std::move(row));
  // Before the commit: a view that cannot be made fails the write.
  S2P_ASSIGN_OR_RETURN(auto next, view()->With(std::move(upserted), {}));
  S2P_RETURN_IF_ERROR(transaction->Commit());
  Publish(std::move(next), retired);
  return absl::OkStatus();
}

std::vector<absl::StatusOr<AddResult>> DurableGallery::Add(std::vector<NewItem> items) {
  PendingAdd add;
  add.items = std::move(items);
  for (const NewItem& item : add.items) add.digests.push_back(Sha256(item.bytes));
  {
    absl::MutexLock lock(&pending_mutex_);
    pending_.push_back(&add);
  }
  std::shared_ptr<const Snapshot> retired;
  absl::MutexLock lock(&write_mutex_);
  // Whoever had the lock before has perhaps written this too; if not, all that wait are written.
  while (!add.done) AddTogether(TakePending(), &retired);
  return std::move(add.results);
}

std::vector<DurableGallery::PendingAdd*> DurableGallery::TakePending() {
  std::vector<PendingAdd*> taken;
  size_t items = 0;
  absl::MutexLock lock(&pending_mutex_);
  while (!pending_.empty() && items < kMostWrittenTogether) {
    items += pending_.front()->items.size();
    taken.push_back(pending_.front());
    pending_.pop_front();
  }
  return taken;
}

void DurableGallery::AddTogether(const std::vector<PendingAdd*>& pending,
                                 std::shared_ptr<const Snapshot>* retired) {
  std::vector<NewItem> items;
  std::vector<std::string> digests;
  for (PendingAdd* add : pending) {
    for (NewItem& item : add->items) items.push_back(std::move(item));
    for (std::string& digest : add->digests) digests.push_back(std::move(digest));
  }
  const size_t count = items.size();
  std::vector<absl::StatusOr<AddResult>> results = Write(std::move(items), digests, retired);
  S2P_CHECK(results.size() == count);
  auto result = results.begin();
  for (PendingAdd* add : pending) {
    for (size_t i = 0; i < add->items.size(); ++i) add->results.push_back(*std::move(result++));
    add->done = true;
  }
}

std::vector<absl::StatusOr<AddResult>> DurableGallery::Write(
    std::vector<NewItem> items, const std::vector<std::string>& digests,
    std::shared_ptr<const Snapshot>* retired) {
  std::vector<absl::StatusOr<AddResult>> results(items.size());
  const std::vector<Planned> planned = Plan(items, digests, &results);
  if (planned.empty()) return results;
  absl::Status status = WritePlanned(planned, &items, retired);
  std::set<std::string> unused;
  for (const Planned& plan : planned) {
    if (!status.ok()) {
      results[plan.position] = status;
      unused.insert(plan.item->sha256);
      continue;
    }
    Record(plan.item->photo_id);
    Count(*plan.item, +1);
    if (plan.replaced == nullptr) continue;
    Count(*plan.replaced, -1);
    unused.insert(plan.replaced->sha256);
  }
  RemoveUnreferenced(unused);
  if (status.ok()) return results;
  // What was decided because of an item that is not there now is not true either.
  std::set<std::string> failed;
  for (const Planned& plan : planned) failed.insert(plan.item->photo_id);
  for (size_t i = 0; i < items.size(); ++i) {
    if (failed.count(items[i].photo_id) > 0) results[i] = status;
  }
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
  S2P_ASSIGN_OR_RETURN(std::unique_ptr<Catalogue::Transaction> transaction, writer_->Begin());
  std::vector<bool> there;
  std::vector<std::shared_ptr<const GalleryItem>> deleted;
  for (const std::string& photo_id : photo_ids) {
    S2P_ASSIGN_OR_RETURN(auto item, FindOrNull(*writer_, photo_id));
    there.push_back(item != nullptr);
    if (item == nullptr) continue;
    S2P_RETURN_IF_ERROR(writer_->Remove(photo_id).status());
    deleted.push_back(std::move(item));
  }
  if (deleted.empty()) return there;
  std::shared_ptr<const IndexedGalleryView> next = view();
  if (next != nullptr) {
    S2P_ASSIGN_OR_RETURN(next, next->With({}, photo_ids));
  }
  S2P_RETURN_IF_ERROR(transaction->Commit());
  if (next != nullptr) Publish(std::move(next), &retired);
  std::set<std::string> unused;
  for (const auto& item : deleted) {
    Record(item->photo_id);
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
  S2P_ASSIGN_OR_RETURN(std::unique_ptr<Catalogue::Transaction> transaction, writer_->Begin());
  S2P_RETURN_IF_ERROR(writer_->SetMetadata(photo_id, metadata));
  S2P_ASSIGN_OR_RETURN(CatalogueItem item, writer_->Find(photo_id));
  std::shared_ptr<const IndexedGalleryView> next = view();
  // An item that could not be embedded is in no view.
  if (next != nullptr && next->Find(photo_id) != nullptr) {
    const absl::Span<const float> embedding = *next->EmbeddingOf(photo_id);
    const absl::Span<const float> attributes = *next->AttributesOf(photo_id);
    GalleryRow row{
        item.item, {embedding.begin(), embedding.end()}, {attributes.begin(), attributes.end()}};
    std::vector<GalleryRow> rows;
    rows.push_back(std::move(row));
    S2P_ASSIGN_OR_RETURN(next, next->With(std::move(rows), {}));
  } else {
    next = nullptr;
  }
  S2P_RETURN_IF_ERROR(transaction->Commit());
  Record(photo_id);
  if (next != nullptr) Publish(std::move(next), &retired);
  return item.item;
}

}  // namespace s2p
