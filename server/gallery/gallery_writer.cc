#include "server/gallery/gallery_writer.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

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

}  // namespace

GalleryWriter::GalleryWriter(std::unique_ptr<Catalogue> catalogue, const BlobStore* blobs,
                             ServingView* serving, WriteLog* log)
    : blobs_(*blobs), serving_(*serving), log_(*log), catalogue_(std::move(catalogue)) {}

GalleryWriter::Plan GalleryWriter::MakePlan(absl::Span<const NewItem* const> items) {
  Plan plan;
  // The items that earlier ones of this call leave under their ids.
  std::map<std::string, std::shared_ptr<const GalleryItem>> earlier;
  const std::shared_ptr<const IndexedGalleryView> current = serving_.view();
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
      result = existing.status();
      continue;
    }
    result = DecideAdd(item, existing->get(), in_this_call ? nullptr : &blobs_);
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

absl::Status GalleryWriter::Write(absl::Span<const Planned> planned) {
  std::vector<Blob> blobs;
  for (const Planned& plan : planned) blobs.push_back({plan.item->sha256, plan.source->bytes});
  S2P_RETURN_IF_ERROR(blobs_.Write(blobs));
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
  S2P_ASSIGN_OR_RETURN(auto next, serving_.view()->With(std::move(upserted), {}));
  S2P_RETURN_IF_ERROR(transaction->Commit());
  serving_.Publish(std::move(next));
  return absl::OkStatus();
}

std::vector<absl::StatusOr<AddResult>> GalleryWriter::Add(absl::Span<const NewItem* const> items) {
  absl::MutexLock lock(&mutex_);
  auto [results, planned] = MakePlan(items);
  if (planned.empty()) return std::move(results);
  const absl::Status written = Write(planned);
  std::set<std::string> unused;
  std::set<std::string> failed;
  for (const Planned& plan : planned) {
    if (!written.ok()) {
      failed.insert(plan.item->photo_id);
      unused.insert(plan.item->sha256);
      continue;
    }
    log_.Record(plan.item->photo_id);
    serving_.CountAdded(*plan.item);
    if (plan.replaced == nullptr) continue;
    serving_.CountRemoved(*plan.replaced);
    unused.insert(plan.replaced->sha256);
  }
  RemoveUnreferenced(unused);
  // Whatever was decided for an id that was not written, even kUnchanged, is not true.
  for (size_t i = 0; i < items.size(); ++i) {
    if (failed.count(items[i]->photo_id) > 0) results[i] = written;
  }
  return std::move(results);
}

void GalleryWriter::RemoveUnreferenced(const std::set<std::string>& digests) {
  for (const std::string& digest : digests) {
    const absl::StatusOr<bool> referenced = catalogue_->HasBlob(digest);
    if (referenced.ok() && !*referenced) blobs_.Remove(digest).IgnoreError();
  }
}

absl::StatusOr<std::vector<bool>> GalleryWriter::Delete(absl::Span<const std::string> photo_ids) {
  absl::MutexLock lock(&mutex_);
  S2P_ASSIGN_OR_RETURN(const auto transaction, catalogue_->Begin());
  std::vector<bool> found;
  std::vector<std::shared_ptr<const GalleryItem>> deleted;
  for (const std::string& photo_id : photo_ids) {
    S2P_ASSIGN_OR_RETURN(auto item, catalogue_->FindOrNull(photo_id));
    found.push_back(item != nullptr);
    if (item == nullptr) continue;
    S2P_RETURN_IF_ERROR(catalogue_->Remove(photo_id).status());
    deleted.push_back(std::move(item));
  }
  if (deleted.empty()) return found;
  std::shared_ptr<const IndexedGalleryView> next = serving_.view();
  if (next != nullptr) {
    S2P_ASSIGN_OR_RETURN(next, next->With({}, photo_ids));
  }
  S2P_RETURN_IF_ERROR(transaction->Commit());
  if (next != nullptr) serving_.Publish(std::move(next));
  std::set<std::string> unused;
  for (const auto& item : deleted) {
    log_.Record(item->photo_id);
    serving_.CountRemoved(*item);
    unused.insert(item->sha256);
  }
  RemoveUnreferenced(unused);
  return found;
}

absl::StatusOr<std::shared_ptr<const GalleryItem>> GalleryWriter::UpdateMetadata(
    const std::string& photo_id, const std::map<std::string, std::string>& metadata) {
  absl::MutexLock lock(&mutex_);
  S2P_ASSIGN_OR_RETURN(const auto transaction, catalogue_->Begin());
  S2P_RETURN_IF_ERROR(catalogue_->SetMetadata(photo_id, metadata));
  S2P_ASSIGN_OR_RETURN(const CatalogueItem item, catalogue_->Find(photo_id));
  std::shared_ptr<const IndexedGalleryView> next = serving_.view();
  // An item that could not be embedded is in no view.
  if (next != nullptr && next->Find(photo_id) != nullptr) {
    const absl::Span<const float> embedding = *next->EmbeddingOf(photo_id);
    const absl::Span<const float> attributes = *next->AttributesOf(photo_id);
    std::vector<GalleryRow> rows(1);
    rows[0] = {
        item.item, {embedding.begin(), embedding.end()}, {attributes.begin(), attributes.end()}};
    S2P_ASSIGN_OR_RETURN(next, next->With(std::move(rows), {}));
  } else {
    next = nullptr;
  }
  S2P_RETURN_IF_ERROR(transaction->Commit());
  if (next != nullptr) serving_.Publish(std::move(next));
  log_.Record(photo_id);
  return item.item;
}

}  // namespace s2p
