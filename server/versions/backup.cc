#include "server/versions/backup.h"

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "daemon/folder_lock.h"
#include "model/file.h"
#include "server/feedback/feedback_collection.h"
#include "server/feedback/feedback_store.h"
#include "server/gallery/catalogue.h"
#include "server/gallery/gallery_folder.h"
#include "server/gallery/item_journal.h"
#include "server/gallery/journal_match.h"
#include "server/storage/blob_store.h"
#include "server/versions/checkpoint_adopter.h"

namespace s2p {
namespace {

namespace fs = std::filesystem;

// Attempts to copy the catalogue, each because photos were replaced during the last one.
constexpr int kMaxCopies = 10;
constexpr int kPage = 1000;

std::string CatalogueOf(const std::string& folder) { return folder + "/gallery.db"; }
std::string PhotosOf(const std::string& folder) { return folder + "/photos"; }

absl::Status CheckGallery(const std::string& folder) {
  std::error_code ignored;
  if (fs::is_regular_file(CatalogueOf(folder), ignored)) return absl::OkStatus();
  return absl::NotFoundError(absl::StrCat(folder, ": has no gallery.db"));
}

// Visits each item of the catalogue, by id; stops at the first error.
absl::Status ForEachItem(const Catalogue& catalogue,
                         const std::function<absl::Status(const GalleryItem&)>& visit) {
  std::string after;
  for (;;) {
    S2P_ASSIGN_OR_RETURN(const auto page, catalogue.List(after, kPage));
    for (const CatalogueItem& found : page) {
      S2P_RETURN_IF_ERROR(visit(*found.item));
      after = found.item->photo_id;
    }
    if (page.size() < static_cast<size_t>(kPage)) return absl::OkStatus();
  }
}

// A folder next to `path` that takes its name when it is whole, and is removed if it never is.
class UnfinishedFolder {
 public:
  static absl::StatusOr<std::unique_ptr<UnfinishedFolder>> Create(std::string path) {
    while (path.size() > 1 && path.back() == '/') path.pop_back();
    auto folder = std::unique_ptr<UnfinishedFolder>(new UnfinishedFolder(std::move(path)));
    std::error_code error;
    fs::remove_all(folder->path(), error);
    if (!error) fs::create_directories(folder->path(), error);
    if (error) return FileError(error.value(), folder->path(), "create folder");
    return folder;
  }
  ~UnfinishedFolder() {
    std::error_code ignored;
    fs::remove_all(path(), ignored);
  }
  std::string path() const { return final_ + ".unfinished"; }
  // Replaces an empty folder.
  absl::Status Finish() const {
    S2P_RETURN_IF_ERROR(SyncDirectory(path()));
    std::error_code error;
    fs::rename(path(), final_, error);
    if (error) return FileError(error.value(), final_, "rename");
    const std::string parent = fs::path(final_).parent_path().string();
    return SyncDirectory(parent.empty() ? "." : parent);
  }

 private:
  explicit UnfinishedFolder(std::string path) : final_(std::move(path)) {}
  const std::string final_;
};

// Photos come from these stores. `base` may be null.
struct PhotoSources {
  const BlobStore* from;
  const BlobStore* base;
};

// Copies the photos that the catalogue names, except those in `copied`, and adds them there.
// NotFound naming a photo that was removed meanwhile.
absl::Status CopyPhotos(const Catalogue& catalogue, const PhotoSources& sources,
                        const BlobStore& to, std::set<std::string>& copied,
                        DataFolderReport& report) {
  report.items = 0;
  report.bytes = 0;
  return ForEachItem(catalogue, [&](const GalleryItem& item) {
    ++report.items;
    report.bytes += item.bytes;
    if (copied.count(item.sha256) > 0) return absl::OkStatus();
    bool linked = false;
    if (sources.base != nullptr) {
      S2P_ASSIGN_OR_RETURN(linked, to.LinkOneOfMany(*sources.base, item.sha256, item.bytes));
    }
    if (!linked) {
      S2P_ASSIGN_OR_RETURN(const auto bytes, sources.from->Read(item.sha256, item.bytes));
      S2P_RETURN_IF_ERROR(to.WriteOneOfMany({item.sha256, bytes}));
    }
    report.linked += linked ? 1 : 0;
    copied.insert(item.sha256);
    return absl::OkStatus();
  });
}

// Copies catalogue and photos of one commit, and writes the journal that belongs to them. Nobody
// writes to a backup, so a photo missing there is lost.
absl::Status CopyGallery(const std::string& from, const std::string& to, const std::string& base,
                         bool is_backup, DataFolderReport& report) {
  std::optional<BlobStore> base_photos;
  if (!base.empty()) {
    S2P_ASSIGN_OR_RETURN(base_photos, BlobStore::Open(PhotosOf(base)));
  }
  S2P_ASSIGN_OR_RETURN(const auto photos, BlobStore::Open(PhotosOf(from)));
  S2P_ASSIGN_OR_RETURN(const auto copies, BlobStore::Open(PhotosOf(to)));
  std::set<std::string> copied;
  absl::Status status, first;
  bool always_same = true;
  for (int copy = 0; copy < kMaxCopies; ++copy) {
    status = Catalogue::Copy(CatalogueOf(from), CatalogueOf(to));
    if (!status.ok()) return status;
    S2P_ASSIGN_OR_RETURN(const auto catalogue, Catalogue::OpenReader(CatalogueOf(to)));
    status = CopyPhotos(*catalogue, {&photos, base_photos ? &*base_photos : nullptr}, copies,
                        copied, report);
    if (is_backup || !absl::IsNotFound(status)) break;
    if (copy == 0) first = status;
    always_same = always_same && status == first;
  }
  // A photo that every commit names was not removed meanwhile: it is lost.
  if (absl::IsNotFound(status) && (is_backup || always_same)) {
    return absl::DataLossError(status.message());
  }
  if (absl::IsNotFound(status)) {
    return absl::AbortedError(
        absl::StrCat("photos are removed faster than they are copied: ", status.message()));
  }
  if (!status.ok()) return status;
  // Photos that only earlier copies of the catalogue named.
  S2P_ASSIGN_OR_RETURN(const auto catalogue, Catalogue::OpenReader(CatalogueOf(to)));
  S2P_ASSIGN_OR_RETURN(const auto survey, copies.Survey([&](const std::string& sha256) {
    return catalogue->HasBlob(sha256);
  }));
  for (const std::string& surplus : survey.orphans) status.Update(copies.Remove(surplus));
  if (!status.ok()) return status;
  S2P_RETURN_IF_ERROR(copies.SyncFolders());
  S2P_ASSIGN_OR_RETURN(const auto journal,
                       ItemJournal::Open(absl::StrCat(copies.root(), "/", kItemJournalName)));
  return MatchJournal(*catalogue, copies, *journal).status();
}

// Copies the adopted checkpoints that the gallery is embedded with, so that it serves at once.
absl::Status CopyCheckpoints(const std::string& from, const std::string& to,
                             DataFolderReport& report) {
  S2P_ASSIGN_OR_RETURN(const auto catalogue, Catalogue::OpenReader(CatalogueOf(to)));
  S2P_ASSIGN_OR_RETURN(const auto served, catalogue->ServedVersions());
  const CheckpointAdopter adopter(from + "/models", to);
  for (const int64_t version : served) {
    const auto checkpoint = adopter.Adopt(version);
    // Pruned after it served; the store may still have it.
    if (absl::IsNotFound(checkpoint.status())) continue;
    if (!checkpoint.ok()) return checkpoint.status();
    report.versions.push_back(version);
  }
  return absl::OkStatus();
}

// Copies the feedback, if the folder has any, as of a moment of its own: feedback about photos that
// the copy of the gallery lacks is not exported from it.
absl::Status CopyFeedbackOf(const std::string& from, const std::string& to,
                            DataFolderReport& report) {
  std::error_code ignored;
  if (!fs::exists(FeedbackFileOf(from), ignored)) return absl::OkStatus();
  S2P_RETURN_IF_ERROR(CopyFeedback(FeedbackFileOf(from), FeedbackFileOf(to)));
  S2P_ASSIGN_OR_RETURN(const auto totals, CheckFeedbackFile(FeedbackFileOf(to)));
  report.feedback = static_cast<int64_t>(totals.pending + totals.accepted + totals.rejected);
  return absl::OkStatus();
}

absl::StatusOr<DataFolderReport> CopyDataFolder(const std::string& from, const std::string& to,
                                                const std::string& base, bool is_backup) {
  S2P_ASSIGN_OR_RETURN(auto folder, UnfinishedFolder::Create(to));
  DataFolderReport report;
  absl::Status status = CopyGallery(from, folder->path(), base, is_backup, report);
  if (status.ok()) status = CopyFeedbackOf(from, folder->path(), report);
  if (status.ok()) status = CopyCheckpoints(from, folder->path(), report);
  if (status.ok()) status = folder->Finish();
  if (!status.ok()) return status;
  return report;
}

absl::Status CheckFeedback(const std::string& folder, DataFolderReport& report) {
  std::error_code ignored;
  if (!fs::exists(FeedbackFileOf(folder), ignored)) return absl::OkStatus();
  const auto totals = CheckFeedbackFile(FeedbackFileOf(folder));
  if (absl::IsDataLoss(totals.status())) {
    report.problems.push_back(std::string(totals.status().message()));
    return absl::OkStatus();
  }
  if (!totals.ok()) return totals.status();
  report.feedback = static_cast<int64_t>(totals->pending + totals->accepted + totals->rejected);
  return absl::OkStatus();
}

bool IsEmptyOrMissing(const std::string& path) {
  std::error_code error;
  return !fs::exists(path, error) || (fs::is_directory(path, error) && fs::is_empty(path, error));
}

}  // namespace

absl::StatusOr<DataFolderReport> BackUp(const std::string& data_dir, const std::string& out,
                                        const std::string& base) {
  S2P_RETURN_IF_ERROR(CheckGallery(data_dir));
  if (!base.empty()) {
    S2P_RETURN_IF_ERROR(CheckGallery(base));
    std::error_code ignored;
    if (fs::equivalent(base, data_dir, ignored)) {
      return absl::InvalidArgumentError(
          absl::StrCat(base, ": is the data folder; the base must be an earlier backup"));
    }
  }
  if (!IsEmptyOrMissing(out)) {
    return absl::AlreadyExistsError(absl::StrCat(out, ": already exists; name a new folder"));
  }
  return CopyDataFolder(data_dir, out, base, /*is_backup=*/false);
}

absl::StatusOr<DataFolderReport> RestoreBackup(const std::string& backup,
                                               const std::string& data_dir) {
  S2P_RETURN_IF_ERROR(CheckGallery(backup));
  if (!IsEmptyOrMissing(data_dir)) {
    return absl::FailedPreconditionError(
        absl::StrCat(data_dir, ": is not empty; restore into a new folder, then serve that"));
  }
  return CopyDataFolder(backup, data_dir, /*base=*/"", /*is_backup=*/true);
}

absl::StatusOr<DataFolderReport> CheckDataFolder(const std::string& data_dir) {
  S2P_RETURN_IF_ERROR(CheckGallery(data_dir));
  S2P_ASSIGN_OR_RETURN(const auto lock, FolderLock::Acquire(data_dir));
  S2P_ASSIGN_OR_RETURN(const auto catalogue,
                       Catalogue::Open(CatalogueOf(data_dir), Catalogue::IfMissing::kFail));
  S2P_ASSIGN_OR_RETURN(const auto photos, BlobStore::Open(PhotosOf(data_dir)));
  DataFolderReport report;
  S2P_RETURN_IF_ERROR(ForEachItem(*catalogue, [&](const GalleryItem& item) {
    ++report.items;
    report.bytes += item.bytes;
    const auto bytes = photos.Read(item.sha256, item.bytes);
    if (!bytes.ok()) {
      report.problems.push_back(
          absl::StrCat("photo '", item.photo_id, "': ", bytes.status().message()));
    }
    return absl::OkStatus();
  }));
  S2P_RETURN_IF_ERROR(CheckFeedback(data_dir, report));
  const CheckpointStore models(data_dir + "/models");
  const auto versions = models.Versions();
  if (!versions.ok() && !absl::IsNotFound(versions.status())) return versions.status();
  if (versions.ok()) report.versions = *versions;
  for (const int64_t version : report.versions) {
    const auto checkpoint = models.Read(version);
    if (!checkpoint.ok()) report.problems.push_back(std::string(checkpoint.status().message()));
  }
  return report;
}

}  // namespace s2p
