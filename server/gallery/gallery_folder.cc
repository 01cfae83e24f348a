#include "server/gallery/gallery_folder.h"

#include <unistd.h>

#include <cerrno>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "model/file.h"
#include "server/storage/orphaned_blobs.h"

namespace s2p {
namespace {

constexpr int kItemsPerPage = 4096;
constexpr size_t kMostMissingDigests = 1000;

std::string JournalOf(const BlobStore& blobs) {
  return absl::StrCat(blobs.root(), "/", kItemJournalName);
}

// The number of items that the journal names; 0 if there is none.
absl::StatusOr<size_t> CountJournal(const BlobStore& blobs) {
  const auto journal = ItemJournal::OpenReader(JournalOf(blobs));
  if (absl::IsNotFound(journal.status())) return size_t{0};
  if (!journal.ok()) return journal.status();
  return (*journal)->size();
}

// Opens the catalogue. Creates one only if there are no photos, because an empty catalogue would
// make every photo an orphan.
absl::StatusOr<std::unique_ptr<Catalogue>> OpenCatalogue(const std::string& path,
                                                         const BlobStore& blobs,
                                                         GalleryFindings& findings) {
  auto catalogue = Catalogue::Open(path, Catalogue::IfMissing::kFail);
  if (absl::IsDataLoss(catalogue.status())) {
    return absl::DataLossError(
        absl::StrCat(catalogue.status().message(),
                     "; keep the file, and restore a backup into a new folder with "
                     "'s2p-server restore', or make a new catalogue from the photos with "
                     "'s2p-server rebuild'"));
  }
  if (!absl::IsNotFound(catalogue.status())) return catalogue;
  S2P_ASSIGN_OR_RETURN(const bool photos, blobs.HasAny());
  S2P_ASSIGN_OR_RETURN(const int64_t set_aside, OrphanedBlobs(&blobs).Count());
  S2P_ASSIGN_OR_RETURN(const size_t recorded, CountJournal(blobs));
  if (photos || set_aside > 0 || recorded > 0) {
    return absl::FailedPreconditionError(absl::StrCat(
        catalogue.status().message(), ", but ", blobs.root(),
        " holds photos that it should name. Put it back with its gallery.db-wal, restore a backup "
        "into a new folder with 's2p-server restore', make a new one from the photos with "
        "'s2p-server rebuild', or move ",
        blobs.root(), " away to start an empty gallery"));
  }
  findings.created = true;
  return Catalogue::Open(path);
}

absl::Status CheckOrphans(size_t orphans, const GalleryFolder& folder) {
  const auto items = static_cast<int64_t>(folder.totals.photos + folder.totals.sketches);
  const std::string& photos = folder.blobs.root();
  const int64_t most = MostLeftByCrash(items);
  if (static_cast<int64_t>(orphans) <= most) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      photos, ": ", orphans, " photos are named by no item of ", folder.catalogue, ", which has ",
      items, "; a crash leaves at most ", most,
      ". Put the right gallery.db back with its gallery.db-wal, restore a backup into a new folder "
      "with 's2p-server restore', or start once with --set-aside-orphans to move these photos to ",
      photos, "/.orphans"));
}

// Digests of the photos whose deletion a crash interrupted: those that the journal names only in
// lines that are void.
absl::StatusOr<std::set<std::string>> InterruptedDeletions(const ItemJournal& journal) {
  S2P_ASSIGN_OR_RETURN(const std::vector<GalleryItem> items, journal.Unerased());
  std::set<std::string> deleted;
  for (const GalleryItem& item : items) deleted.insert(item.sha256);
  if (deleted.empty()) return deleted;
  S2P_RETURN_IF_ERROR(journal.ForEach([&deleted](const GalleryItem& item) {
    deleted.erase(item.sha256);
    return absl::OkStatus();
  }));
  return deleted;
}

// Durably removes the photos that were deleted, also where an earlier start has set them aside, and
// returns those of `orphans` that were not.
absl::StatusOr<std::vector<std::string>> FinishDeletions(const std::vector<std::string>& orphans,
                                                         GalleryFolder& folder) {
  S2P_ASSIGN_OR_RETURN(const std::set<std::string> deleted, InterruptedDeletions(*folder.journal));
  if (deleted.empty()) return orphans;
  const OrphanedBlobs orphaned(&folder.blobs);
  S2P_ASSIGN_OR_RETURN(std::set<std::string> unwanted, orphaned.Digests());
  unwanted.insert(orphans.begin(), orphans.end());
  std::set<std::string> gone;
  for (const std::string& sha256 : deleted) {
    S2P_ASSIGN_OR_RETURN(const bool referenced, folder.reader->HasBlob(sha256));
    if (referenced) continue;
    S2P_RETURN_IF_ERROR(folder.blobs.Remove(sha256));
    gone.insert(sha256);
    folder.findings.deletions_finished += static_cast<int64_t>(unwanted.count(sha256));
  }
  S2P_RETURN_IF_ERROR(folder.blobs.SyncFoldersOf(gone));
  S2P_RETURN_IF_ERROR(orphaned.Remove(gone));
  std::vector<std::string> others;
  for (const std::string& orphan : orphans) {
    if (gone.count(orphan) == 0) others.push_back(orphan);
  }
  return others;
}

// Digests of photos that the catalogue names and whose files are missing, up to a bound.
absl::StatusOr<std::vector<std::string>> FindMissing(const Catalogue& catalogue,
                                                     const BlobStore& blobs) {
  std::set<std::string> seen;
  std::vector<std::string> missing;
  std::string after;
  while (missing.size() < kMostMissingDigests) {
    S2P_ASSIGN_OR_RETURN(const auto page, catalogue.List(after, kItemsPerPage));
    if (page.empty()) break;
    after = page.back().item->photo_id;
    for (const CatalogueItem& entry : page) {
      const std::string& sha256 = entry.item->sha256;
      if (access(blobs.PathOf(sha256).c_str(), F_OK) == 0) continue;
      if (missing.size() < kMostMissingDigests && seen.insert(sha256).second) {
        missing.push_back(sha256);
      }
    }
  }
  return missing;
}

// Leaves every blob that the catalogue names in its place, and no other. Deletes none but those of
// deleted items.
absl::Status TidyBlobs(GalleryFolder& folder, bool set_aside_orphans) {
  const Catalogue& catalogue = *folder.reader;
  const BlobStore& blobs = folder.blobs;
  GalleryFindings& findings = folder.findings;
  const auto is_referenced = [&catalogue](const std::string& sha256) {
    return catalogue.HasBlob(sha256);
  };
  const OrphanedBlobs orphaned(&blobs);
  S2P_ASSIGN_OR_RETURN(findings.brought_back, orphaned.BringBack(is_referenced));
  S2P_ASSIGN_OR_RETURN(const auto survey, blobs.Survey(is_referenced));
  S2P_ASSIGN_OR_RETURN(const auto named, catalogue.CountBlobs());
  findings.missing = named - survey.referenced;
  if (findings.missing > 0) {
    S2P_ASSIGN_OR_RETURN(findings.missing_digests, FindMissing(catalogue, blobs));
  }
  if (!set_aside_orphans) {
    S2P_RETURN_IF_ERROR(CheckOrphans(survey.orphans.size(), folder));
  }
  S2P_ASSIGN_OR_RETURN(const auto orphans, FinishDeletions(survey.orphans, folder));
  if (!orphans.empty()) {
    S2P_ASSIGN_OR_RETURN(findings.orphan_folder, orphaned.SetAside(orphans, absl::Now()));
    findings.orphans_set_aside = static_cast<int64_t>(orphans.size());
  }
  for (const std::string& half : survey.half_written) {
    if (unlink(half.c_str()) != 0) return FileError(errno, half, "remove");
  }
  S2P_ASSIGN_OR_RETURN(findings.orphans_kept, orphaned.Count());
  return absl::OkStatus();
}

absl::Status CompleteJournal(GalleryFolder& folder) {
  S2P_ASSIGN_OR_RETURN(folder.findings.journal_items_added,
                       MatchJournal(*folder.reader, folder.blobs, *folder.journal));
  absl::Status status =
      folder.findings.journal.damaged.empty() ? folder.journal->Erase() : folder.journal->Rewrite();
  // Void and damaged lines that stay do not keep the two from agreeing.
  status.Update(NumberWrites(*folder.writer, *folder.journal));
  return status;
}

}  // namespace

absl::StatusOr<GalleryFolder> GalleryFolder::Open(const std::string& data_dir,
                                                  bool set_aside_orphans) {
  S2P_ASSIGN_OR_RETURN(auto lock, FolderLock::Acquire(data_dir));
  S2P_ASSIGN_OR_RETURN(auto blobs, BlobStore::Open(absl::StrCat(data_dir, "/photos")));
  GalleryFolder folder{std::move(lock), std::move(blobs), absl::StrCat(data_dir, "/gallery.db")};
  S2P_ASSIGN_OR_RETURN(folder.writer,
                       OpenCatalogue(folder.catalogue, folder.blobs, folder.findings));
  S2P_ASSIGN_OR_RETURN(folder.reader, Catalogue::OpenReader(folder.catalogue));
  S2P_RETURN_IF_ERROR(SyncDirectory(data_dir));
  S2P_ASSIGN_OR_RETURN(folder.journal, ItemJournal::Open(JournalOf(folder.blobs)));
  folder.findings.journal = folder.journal->findings();
  absl::StatusOr<CatalogueCatchUp> catch_up =
      FollowJournal(*folder.writer, folder.blobs, *folder.journal);
  // The flag says that the catalogue is the right one.
  if (set_aside_orphans && absl::IsFailedPrecondition(catch_up.status())) {
    catch_up = CatalogueCatchUp();
  }
  S2P_ASSIGN_OR_RETURN(folder.findings.catch_up, std::move(catch_up));
  S2P_ASSIGN_OR_RETURN(folder.totals, folder.reader->Totals());
  S2P_RETURN_IF_ERROR(TidyBlobs(folder, set_aside_orphans));
  folder.findings.journal_status = CompleteJournal(folder);
  // A killed server leaves in the log what was deleted last.
  folder.findings.journal_status.Update(folder.writer->EmptyLog().status());
  return folder;
}

}  // namespace s2p
