#include "server/versions/rebuild.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <memory>
#include <set>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "daemon/folder_lock.h"
#include "image/image.h"
#include "model/file.h"
#include "model/sha256.h"
#include "server/gallery/catalogue.h"
#include "server/gallery/gallery_folder.h"
#include "server/gallery/item_journal.h"
#include "server/storage/blob_store.h"
#include "server/storage/orphaned_blobs.h"

namespace s2p {
namespace {

namespace fs = std::filesystem;

// Items in one transaction.
constexpr int kItemsPerCommit = 1000;
constexpr size_t kIdDigits = 16;
// The database itself and SQLite's files next to it.
constexpr const char* kSuffixes[] = {"", "-wal", "-shm"};

bool Exists(const std::string& path) {
  std::error_code ignored;
  return fs::exists(fs::symlink_status(path, ignored));
}

absl::Status Rename(const std::string& from, const std::string& to) {
  if (std::rename(from.c_str(), to.c_str()) == 0) return absl::OkStatus();
  return FileError(errno, from, absl::StrCat("move to ", to));
}

// Inserts items, some in each transaction. One thread only.
class Filler {
 public:
  explicit Filler(Catalogue* catalogue) : catalogue_(*catalogue) {}

  absl::Status Insert(const GalleryItem& item) {
    if (transaction_ == nullptr) {
      S2P_ASSIGN_OR_RETURN(transaction_, catalogue_.Begin());
    }
    S2P_RETURN_IF_ERROR(catalogue_.Insert(item).status());
    return ++items_ % kItemsPerCommit == 0 ? Commit() : absl::OkStatus();
  }
  absl::Status Commit() {
    if (transaction_ == nullptr) return absl::OkStatus();
    S2P_RETURN_IF_ERROR(transaction_->Commit());
    transaction_.reset();
    return absl::OkStatus();
  }

 private:
  Catalogue& catalogue_;
  std::unique_ptr<Catalogue::Transaction> transaction_;
  int64_t items_ = 0;
};

// Inserts what the journal knows, and returns the digests of photos whose deletion a crash has
// interrupted.
absl::StatusOr<std::set<std::string>> InsertJournal(const BlobStore& blobs, Catalogue& catalogue,
                                                    RebuildReport& report) {
  std::set<std::string> deleted;
  const std::string path = absl::StrCat(blobs.root(), "/", kItemJournalName);
  const auto journal = ItemJournal::OpenReader(path);
  if (absl::IsNotFound(journal.status())) return deleted;
  if (!journal.ok()) return journal.status();
  const JournalFindings& findings = (*journal)->findings();
  for (const std::string& damaged : findings.damaged) {
    report.problems.push_back(absl::StrCat(path, ": ", damaged, ": damaged, so left out"));
  }
  if (findings.torn_bytes > 0) {
    report.problems.push_back(
        absl::StrCat(path, ": the last ", findings.torn_bytes, " bytes are half written"));
  }
  S2P_ASSIGN_OR_RETURN(const auto set_aside, OrphanedBlobs(&blobs).Digests());
  Filler filler(&catalogue);
  S2P_RETURN_IF_ERROR((*journal)->ForEach([&](const GalleryItem& item) -> absl::Status {
    ++report.from_journal;
    if (!blobs.Has(item.sha256, item.bytes)) {
      report.missing += set_aside.count(item.sha256) > 0 ? 0 : 1;
    }
    return filler.Insert(item);
  }));
  S2P_RETURN_IF_ERROR(filler.Commit());
  if ((*journal)->position().history != 0) {
    S2P_RETURN_IF_ERROR(catalogue.SetJournalPosition((*journal)->position()));
  }
  S2P_ASSIGN_OR_RETURN(const auto unerased, (*journal)->Unerased());
  for (const GalleryItem& item : unerased) deleted.insert(item.sha256);
  return deleted;
}

// The item of a photo that the journal does not know. DataLoss if the file is damaged or no image.
absl::StatusOr<GalleryItem> MakeItem(const BlobStore& blobs, const std::string& sha256,
                                     const Catalogue& catalogue) {
  const std::string path = blobs.PathOf(sha256);
  struct stat found {};
  if (stat(path.c_str(), &found) != 0) return FileError(errno, path, "stat");
  S2P_ASSIGN_OR_RETURN(const std::string bytes,
                       blobs.Read(sha256, static_cast<uint64_t>(found.st_size)));
  // It was within the limits of the server that took it.
  ImageLimits limits;
  limits.max_bytes = bytes.size();
  limits.max_pixels = std::numeric_limits<int32_t>::max();
  const auto header = ReadImageHeader(bytes, limits);
  if (!header.ok()) {
    return absl::DataLossError(absl::StrCat(path, ": ", header.status().message()));
  }
  GalleryItem item;
  item.photo_id = absl::StrCat("photo-", sha256.substr(0, kIdDigits));
  S2P_ASSIGN_OR_RETURN(const auto taken, catalogue.FindOrNull(item.photo_id));
  if (taken != nullptr) item.photo_id = absl::StrCat("photo-", sha256);
  item.sha256 = sha256;
  item.bytes = bytes.size();
  item.content_type = std::string(ContentType(header->format));
  item.width = header->width;
  item.height = header->height;
  item.created_at = absl::FromTimeT(found.st_mtime);
  return item;
}

absl::Status InsertUnknown(const BlobStore& blobs, const std::set<std::string>& deleted,
                           Catalogue& catalogue, RebuildReport& report) {
  S2P_ASSIGN_OR_RETURN(const auto survey, blobs.Survey([&](const std::string& sha256) {
    return catalogue.HasBlob(sha256);
  }));
  Filler filler(&catalogue);
  for (const std::string& sha256 : survey.orphans) {
    if (deleted.count(sha256) > 0) continue;
    const absl::StatusOr<GalleryItem> item = MakeItem(blobs, sha256, catalogue);
    if (absl::IsDataLoss(item.status())) {
      report.problems.emplace_back(item.status().message());
      continue;
    }
    if (!item.ok()) return item.status();
    S2P_RETURN_IF_ERROR(filler.Insert(*item));
    ++report.with_new_ids;
  }
  return filler.Commit();
}

// Moves a catalogue that cannot be read out of the way, with its log. Returns its new name, empty
// if there is none.
absl::StatusOr<std::string> KeepOld(const std::string& path) {
  std::string kept = path + ".damaged";
  for (int i = 2; Exists(kept) || Exists(kept + "-wal"); ++i) {
    kept = absl::StrCat(path, ".damaged-", i);
  }
  bool any = false;
  for (const char* suffix : kSuffixes) {
    if (!Exists(path + suffix)) continue;
    S2P_RETURN_IF_ERROR(Rename(path + suffix, kept + suffix));
    any = true;
  }
  return any ? kept : "";
}

// FailedPrecondition if there is a good catalogue.
absl::Status CheckLost(const std::string& path) {
  const auto existing = Catalogue::Open(path, Catalogue::IfMissing::kFail);
  if (absl::IsNotFound(existing.status()) || absl::IsDataLoss(existing.status())) {
    return absl::OkStatus();
  }
  if (!existing.ok()) return existing.status();
  S2P_ASSIGN_OR_RETURN(const GalleryTotals totals, (*existing)->Totals());
  return absl::FailedPreconditionError(
      absl::StrCat(path, ": is a good catalogue of ", totals.photos + totals.sketches,
                   " items, and was not touched; move it away to rebuild it nevertheless"));
}

}  // namespace

absl::StatusOr<RebuildReport> RebuildCatalogue(const std::string& data_dir) {
  const std::string photos = data_dir + "/photos";
  if (!Exists(photos)) return absl::NotFoundError(absl::StrCat(photos, ": is missing"));
  S2P_ASSIGN_OR_RETURN(const auto lock, FolderLock::Acquire(data_dir));
  const std::string path = data_dir + "/gallery.db";
  S2P_RETURN_IF_ERROR(CheckLost(path));
  S2P_ASSIGN_OR_RETURN(const auto blobs, BlobStore::Open(photos));
  const std::string unfinished = path + ".rebuild";
  for (const char* suffix : kSuffixes) {
    std::error_code error;
    fs::remove(unfinished + suffix, error);
    if (error) return FileError(error.value(), unfinished + suffix, "remove");
  }
  RebuildReport report;
  {
    // Closing it folds its log into the file.
    S2P_ASSIGN_OR_RETURN(const auto catalogue, Catalogue::Open(unfinished));
    S2P_ASSIGN_OR_RETURN(const auto deleted, InsertJournal(blobs, *catalogue, report));
    S2P_RETURN_IF_ERROR(InsertUnknown(blobs, deleted, *catalogue, report));
    S2P_RETURN_IF_ERROR(catalogue->EmptyLog().status());
  }
  S2P_RETURN_IF_ERROR(SyncFile(unfinished));
  S2P_ASSIGN_OR_RETURN(report.kept, KeepOld(path));
  S2P_RETURN_IF_ERROR(Rename(unfinished, path));
  S2P_RETURN_IF_ERROR(SyncDirectory(data_dir));
  return report;
}

}  // namespace s2p
