#include "server/gallery/gallery_writer.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "server/faults/storage_fault.h"
#include "server/storage/orphaned_blobs.h"

namespace s2p {
namespace {

absl::Status CheckModel(const NewItem& item, const IndexedGalleryView* serving) {
  if (serving == nullptr) return absl::UnavailableError("no model serves yet");
  if (item.version != serving->version()) {
    return absl::AbortedError(absl::StrCat("embedded with version ", item.version,
                                           " of the model, but version ", serving->version(),
                                           " serves now"));
  }
  return CheckVectors(serving->model(), item.photo_id, item.embedding, item.attributes);
}

// The item with the vectors that the view has for its id, which must be in the view.
GalleryRow RowFor(std::shared_ptr<const GalleryItem> item, const IndexedGalleryView& view) {
  const absl::Span<const float> embedding = *view.EmbeddingOf(item->photo_id);
  const absl::Span<const float> attributes = *view.AttributesOf(item->photo_id);
  return {std::move(item),
          {embedding.begin(), embedding.end()},
          {attributes.begin(), attributes.end()}};
}

}  // namespace

GalleryWriter::GalleryWriter(std::unique_ptr<Catalogue> catalogue,
                             std::unique_ptr<ItemJournal> journal, const GalleryWriterParts& parts)
    : parts_(parts), catalogue_(std::move(catalogue)), journal_(std::move(journal)) {}

GalleryWriter::AddsOnHold::AddsOnHold(GalleryWriter* writer) : writer_(*writer) {
  absl::MutexLock lock(&writer_.mutex_);
  ++writer_.adds_on_hold_;
}

GalleryWriter::AddsOnHold::~AddsOnHold() {
  absl::MutexLock lock(&writer_.mutex_);
  --writer_.adds_on_hold_;
}

void GalleryWriter::AwaitNoHold() {
  absl::MutexLock lock(&mutex_);
  const auto none = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return adds_on_hold_ == 0; };
  mutex_.Await(absl::Condition(&none));
}

void GalleryWriter::Protect(absl::Span<const NewItem* const> items) {
  absl::MutexLock lock(&protected_mutex_);
  for (const NewItem* item : items) protected_.insert(item->sha256);
}

void GalleryWriter::Unprotect(absl::Span<const NewItem* const> items) {
  absl::MutexLock lock(&protected_mutex_);
  for (const NewItem* item : items) protected_.erase(protected_.find(item->sha256));
}

absl::StatusOr<bool> GalleryWriter::RemoveBlob(const std::string& digest) {
  // For the whole call: whoever protects the blob next finds it gone and writes it.
  absl::MutexLock lock(&protected_mutex_);
  if (protected_.count(digest) > 0) return false;
  S2P_RETURN_IF_ERROR(parts_.blobs->Remove(digest));
  return true;
}

absl::Status GalleryWriter::RemoveUnnamed(std::set<std::string>& digests, Copies copies) {
  absl::Status status;
  std::set<std::string> removed;
  std::set<std::string> left;
  for (const std::string& digest : digests) {
    const absl::StatusOr<bool> referenced = catalogue_->HasBlob(digest);
    if (referenced.ok() && *referenced) continue;
    if (referenced.ok()) PhotoWorks(*parts_.faults, digest);
    const absl::StatusOr<bool> gone = referenced.ok() ? RemoveBlob(digest) : referenced.status();
    (gone.ok() && *gone ? removed : left).insert(digest);
    status.Update(gone.status());
  }
  absl::Status synced = parts_.blobs->SyncFoldersOf(removed);
  if (copies == Copies::kRemove) synced.Update(OrphanedBlobs(parts_.blobs).Remove(removed));
  if (!synced.ok()) left.merge(removed);
  status.Update(synced);
  digests = std::move(left);
  return status;
}

absl::Status GalleryWriter::StoreBlobs(absl::Span<const Blob> blobs) const {
  uint64_t bytes = 0;
  for (const Blob& blob : blobs) bytes += blob.bytes.size();
  absl::Status room = CheckRoom(bytes);
  if (!room.ok()) return room;
  // Others may take the room meanwhile.
  const absl::Status written = parts_.blobs->Write(blobs, [&](uint64_t next) {
    room = CheckRoom(next);
    return room;
  });
  return room.ok() ? StorageFault(*parts_.faults, AsStorageError(written)) : room;
}

GalleryWriter::Prepared GalleryWriter::Prepare(absl::Span<const NewItem* const> items) const {
  Prepared prepared;
  std::vector<Blob> blobs;
  const std::shared_ptr<const IndexedGalleryView> current = parts_.serving->view();
  for (size_t i = 0; i < items.size(); ++i) {
    const NewItem& item = *items[i];
    if (!CheckModel(item, current.get()).ok()) continue;
    const auto existing = parts_.reader->Read(
        [&item](const Catalogue& catalogue) { return catalogue.FindOrNull(item.photo_id); });
    if (!existing.ok()) continue;
    const auto result = DecideAdd(item, existing->get(), parts_.blobs);
    if (!result.ok() || *result == AddResult::kSkipped) continue;
    if (*result == AddResult::kUnchanged) {
      prepared.stored.insert(item.sha256);
      continue;
    }
    const auto record = DecideAdd(item, existing->get(), nullptr);
    if (record.ok() && *record == AddResult::kUnchanged) prepared.repaired.insert(i);
    prepared.written.insert(item.sha256);
    blobs.push_back({item.sha256, item.bytes});
  }
  if (blobs.empty()) return prepared;
  prepared.status = StoreBlobs(blobs);
  if (prepared.status.ok()) {
    prepared.stored.insert(prepared.written.begin(), prepared.written.end());
  }
  return prepared;
}

absl::Status GalleryWriter::StoreRest(absl::Span<const Planned> planned, Prepared& prepared) const {
  std::vector<Blob> blobs;
  for (const Planned& plan : planned) {
    if (prepared.stored.count(plan.item->sha256) > 0) continue;
    prepared.written.insert(plan.item->sha256);
    blobs.push_back({plan.item->sha256, plan.source->bytes});
  }
  return blobs.empty() ? absl::OkStatus() : StoreBlobs(blobs);
}

GalleryWriter::Plan GalleryWriter::MakePlan(absl::Span<const NewItem* const> items,
                                            const Prepared& prepared) {
  Plan plan;
  // The items that earlier ones of this call leave under their ids.
  std::map<std::string, std::shared_ptr<const GalleryItem>> earlier;
  const std::shared_ptr<const IndexedGalleryView> current = parts_.serving->view();
  for (size_t i = 0; i < items.size(); ++i) {
    const NewItem& item = *items[i];
    absl::StatusOr<AddResult>& result = plan.results.emplace_back(AddResult::kUnchanged);
    if (absl::Status status = CheckModel(item, current.get()); !status.ok()) {
      result = std::move(status);
      continue;
    }
    const bool in_this_call = earlier.count(item.photo_id) != 0;
    auto existing = in_this_call ? earlier[item.photo_id] : catalogue_->FindOrNull(item.photo_id);
    if (!existing.ok()) {
      result = StorageFault(*parts_.faults, existing.status());
      continue;
    }
    result = DecideAdd(item, existing->get(), nullptr);
    if (result.ok() && *result == AddResult::kUnchanged && !in_this_call &&
        prepared.repaired.count(i) > 0) {
      result = AddResult::kReplaced;
    }
    if (!result.ok() || (*result != AddResult::kAdded && *result != AddResult::kReplaced)) continue;
    plan.planned.push_back({i, &item, MakeGalleryItem(item), *std::move(existing)});
    earlier[item.photo_id] = plan.planned.back().item;
  }
  return plan;
}

absl::Status GalleryWriter::Insert(const Planned& planned) {
  const NewItem& item = *planned.source;
  if (planned.replaced != nullptr) {
    S2P_RETURN_IF_ERROR(catalogue_->Remove(item.photo_id).status());
  }
  S2P_ASSIGN_OR_RETURN(const int64_t key, catalogue_->Insert(*planned.item));
  return catalogue_->PutEmbedding(key, item.version, {item.embedding, item.attributes});
}

absl::Status GalleryWriter::CheckRoom(uint64_t bytes) const {
  absl::Status room = parts_.reserve->Check(bytes);
  if (!room.ok()) {
    parts_.faults->Report(FaultKind::kDiskFull, "", std::string(room.message()), room);
  }
  return room;
}

absl::Status GalleryWriter::Commit(Catalogue::Transaction& transaction,
                                   absl::Span<const GalleryItem* const> put,
                                   absl::Span<const std::string> removed) {
  if (const auto position = journal_->NextPosition()) {
    S2P_RETURN_IF_ERROR(catalogue_->SetJournalPosition(*position));
  }
  S2P_RETURN_IF_ERROR(AsStorageError(journal_->Append(put, removed)));
  absl::Status status = transaction.Commit();
  if (!status.ok()) journal_->TakeBack();
  return status;
}

absl::Status GalleryWriter::Write(absl::Span<const Planned> planned) {
  std::vector<const GalleryItem*> items;
  for (const Planned& plan : planned) items.push_back(plan.item.get());
  S2P_ASSIGN_OR_RETURN(const auto transaction, catalogue_->Begin());
  // The last item under an id is the one that stays.
  std::map<std::string, GalleryRow> rows;
  for (const Planned& plan : planned) {
    S2P_RETURN_IF_ERROR(Insert(plan));
    rows[plan.item->photo_id] = {plan.item, plan.source->embedding, plan.source->attributes};
  }
  std::vector<GalleryRow> upserted;
  for (auto& [photo_id, row] : rows) upserted.push_back(std::move(row));
  // Before the commit: a view that cannot be made fails the write.
  S2P_ASSIGN_OR_RETURN(auto next, parts_.serving->view()->With(std::move(upserted), {}));
  S2P_RETURN_IF_ERROR(Commit(*transaction, items, {}));
  parts_.serving->Publish(std::move(next));
  return absl::OkStatus();
}

std::vector<absl::StatusOr<AddResult>> GalleryWriter::Add(absl::Span<const NewItem* const> items) {
  AwaitNoHold();
  Protect(items);
  Prepared prepared = Prepare(items);
  absl::MutexLock lock(&mutex_);
  auto [results, planned] = MakePlan(items, prepared);
  absl::Status written;
  if (!planned.empty()) {
    written = prepared.status;
    if (written.ok()) written = StoreRest(planned, prepared);
    if (written.ok()) written = StorageFault(*parts_.faults, Write(planned));
  }
  // The catalogue tells from here on which of the blobs are needed.
  Unprotect(items);
  std::set<std::string> failed;
  for (const Planned& plan : planned) {
    if (!written.ok()) {
      failed.insert(plan.item->photo_id);
      continue;
    }
    parts_.log->Record(plan.item->photo_id);
    parts_.serving->CountAdded(*plan.item);
    PhotoWorks(*parts_.faults, plan.item->sha256);
    if (plan.replaced != nullptr) parts_.serving->CountRemoved(*plan.replaced);
  }
  CleanAfterAdd(written, planned, prepared);
  // No decision about an id that was not written is true, not even kUnchanged.
  for (size_t i = 0; i < items.size(); ++i) {
    if (failed.count(items[i]->photo_id) > 0) results[i] = written;
  }
  return std::move(results);
}

void GalleryWriter::CleanAfterAdd(const absl::Status& written, absl::Span<const Planned> planned,
                                  const Prepared& prepared) {
  std::set<std::string> own = prepared.written;
  if (written.ok() && !planned.empty()) {
    std::set<std::string> unused;
    for (const Planned& plan : planned) {
      own.erase(plan.item->sha256);
      if (plan.replaced != nullptr) unused.insert(plan.replaced->sha256);
    }
    doubtful_.merge(own);
    return Clean(std::move(unused));
  }
  for (const std::string& digest : doubtful_) own.erase(digest);
  // A commit that found no room was not written, so nothing but the journal can bring it back, and
  // the room that its photos take is needed. Without a plan there was none.
  if (written.ok() || (absl::IsResourceExhausted(written) && !journal_->MayComeBack())) {
    RemoveUnnamed(own, Copies::kKeep).IgnoreError();
  }
  doubtful_.merge(own);
  // A deletion may have found one of the blobs protected.
  if (!undeleted_.empty()) RemoveDeleted().IgnoreError();
}

absl::Status GalleryWriter::RemoveDeleted() {
  // A commit that failed may come back and name some of them.
  std::set<std::string> doubtful;
  for (const std::string& digest : doubtful_) {
    if (undeleted_.erase(digest) > 0) doubtful.insert(digest);
  }
  absl::Status status = RemoveUnnamed(undeleted_, Copies::kRemove);
  undeleted_.merge(doubtful);
  // The journal remembers which blobs an error or a crash has kept from being removed, until they
  // are.
  if (undeleted_.empty()) status.Update(journal_->Erase());
  return status;
}

void GalleryWriter::Clean(std::set<std::string> digests) {
  undeleted_.merge(digests);
  // First, because RemoveDeleted leaves alone what is doubtful.
  absl::Status status = RemoveUnnamed(doubtful_, Copies::kKeep);
  status.Update(RemoveDeleted());
  if (log_due_) {
    const absl::StatusOr<bool> emptied = catalogue_->EmptyLog();
    status.Update(emptied.status());
    log_due_ = !emptied.ok() || !*emptied;
  }
  const bool has_room = parts_.reserve->Check(0).ok();
  if (status.ok()) return StorageWorks(*parts_.faults, has_room);
  if (has_room) parts_.faults->Resolve(FaultKind::kDiskFull);
  // The write is done and answered, whatever is left of what it removed.
  StorageFault(*parts_.faults, AsStorageError(status)).IgnoreError();
}

absl::StatusOr<std::vector<bool>> GalleryWriter::Delete(absl::Span<const std::string> photo_ids) {
  absl::MutexLock lock(&mutex_);
  auto found = DeleteItems(photo_ids);
  if (!found.ok()) return StorageFault(*parts_.faults, found.status());
  return found;
}

absl::StatusOr<std::set<std::string>> GalleryWriter::FindSetAside(
    const std::set<std::string>& photo_ids) const {
  std::set<std::string> digests;
  std::set<std::string> needed;
  S2P_RETURN_IF_ERROR(journal_->ForEach([&](const GalleryItem& item) {
    (photo_ids.count(item.photo_id) > 0 ? digests : needed).insert(item.sha256);
    return absl::OkStatus();
  }));
  for (const std::string& digest : needed) digests.erase(digest);
  return digests;
}

absl::StatusOr<std::vector<bool>> GalleryWriter::DeleteItems(
    absl::Span<const std::string> photo_ids) {
  S2P_ASSIGN_OR_RETURN(const auto transaction, catalogue_->Begin());
  std::vector<bool> found;
  std::vector<std::shared_ptr<const GalleryItem>> deleted;
  // Ids that only the journal names.
  std::set<std::string> set_aside;
  for (const std::string& photo_id : photo_ids) {
    S2P_ASSIGN_OR_RETURN(auto item, catalogue_->FindOrNull(photo_id));
    found.push_back(item != nullptr);
    if (item == nullptr) {
      if (journal_->Names(photo_id)) set_aside.insert(photo_id);
      continue;
    }
    S2P_RETURN_IF_ERROR(catalogue_->Remove(photo_id).status());
    deleted.push_back(std::move(item));
  }
  if (deleted.empty() && set_aside.empty()) return found;
  std::set<std::string> unused;
  if (!set_aside.empty()) {
    S2P_ASSIGN_OR_RETURN(unused, FindSetAside(set_aside));
  }
  std::shared_ptr<const IndexedGalleryView> next = parts_.serving->view();
  if (next != nullptr) {
    S2P_ASSIGN_OR_RETURN(next, next->With({}, photo_ids));
  }
  S2P_RETURN_IF_ERROR(Commit(*transaction, {}, photo_ids));
  if (next != nullptr) parts_.serving->Publish(std::move(next));
  for (const auto& item : deleted) {
    parts_.log->Record(item->photo_id);
    parts_.serving->CountRemoved(*item);
    unused.insert(item->sha256);
  }
  log_due_ = true;
  Clean(std::move(unused));
  return found;
}

absl::StatusOr<std::shared_ptr<const GalleryItem>> GalleryWriter::UpdateMetadata(
    const std::string& photo_id, const std::map<std::string, std::string>& metadata) {
  absl::MutexLock lock(&mutex_);
  S2P_RETURN_IF_ERROR(CheckRoom(0));
  auto item = SetMetadata(photo_id, metadata);
  if (!item.ok()) return StorageFault(*parts_.faults, item.status());
  return item;
}

absl::StatusOr<std::shared_ptr<const GalleryItem>> GalleryWriter::SetMetadata(
    const std::string& photo_id, const std::map<std::string, std::string>& metadata) {
  S2P_ASSIGN_OR_RETURN(const auto transaction, catalogue_->Begin());
  S2P_RETURN_IF_ERROR(catalogue_->SetMetadata(photo_id, metadata));
  S2P_ASSIGN_OR_RETURN(const CatalogueItem item, catalogue_->Find(photo_id));
  std::shared_ptr<const IndexedGalleryView> next = parts_.serving->view();
  // An item that could not be embedded is in no view.
  if (next != nullptr && next->Find(photo_id) != nullptr) {
    S2P_ASSIGN_OR_RETURN(next, next->With({RowFor(item.item, *next)}, {}));
  } else {
    next = nullptr;
  }
  S2P_RETURN_IF_ERROR(Commit(*transaction, {item.item.get()}, {}));
  if (next != nullptr) parts_.serving->Publish(std::move(next));
  parts_.log->Record(photo_id);
  Clean({});
  return item.item;
}

absl::Status GalleryWriter::PutColours(absl::Span<const FoundColours> found) {
  absl::MutexLock lock(&mutex_);
  // Nobody waits for this write, so that it is refused is no fault.
  S2P_RETURN_IF_ERROR(parts_.reserve->Check(0));
  return StorageFault(*parts_.faults, WriteColours(found));
}

absl::Status GalleryWriter::WriteColours(absl::Span<const FoundColours> found) {
  S2P_ASSIGN_OR_RETURN(const auto transaction, catalogue_->Begin());
  const std::shared_ptr<const IndexedGalleryView> current = parts_.serving->view();
  std::vector<std::string> written;
  std::vector<GalleryRow> rows;
  for (const FoundColours& one : found) {
    S2P_RETURN_IF_ERROR(catalogue_->PutColours(one.key, one.colours));
    const absl::StatusOr<CatalogueItem> item = catalogue_->Find(one.photo_id);
    if (!item.ok() && !absl::IsNotFound(item.status())) return item.status();
    if (!item.ok() || item->key != one.key) continue;
    written.push_back(one.photo_id);
    // An item that could not be embedded is in no view.
    if (current == nullptr || current->Find(one.photo_id) == nullptr) continue;
    rows.push_back(RowFor(item->item, *current));
  }
  std::shared_ptr<const IndexedGalleryView> next;
  if (!rows.empty()) {
    S2P_ASSIGN_OR_RETURN(next, current->With(std::move(rows), {}));
  }
  // Colours follow from the photos, so the journal has none.
  S2P_RETURN_IF_ERROR(transaction->Commit());
  if (next != nullptr) parts_.serving->Publish(std::move(next));
  for (const std::string& photo_id : written) parts_.log->Record(photo_id);
  Clean({});
  return absl::OkStatus();
}

}  // namespace s2p
