#include "server/gallery/gallery_folder.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "model/file.h"
#include "server/gallery/orphaned_blobs.h"

namespace s2p {
namespace {

// A crash leaves the blobs of one write or delete, which are far fewer. A power cut may also bring
// back files whose deletion had not reached the disk.
constexpr int64_t kMostOrphans = 1000;
constexpr int64_t kItemsPerOrphan = 100;

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
                     "'s2p-server restore'"));
  }
  if (!absl::IsNotFound(catalogue.status())) return catalogue;
  S2P_ASSIGN_OR_RETURN(const bool photos, blobs.HasAny());
  S2P_ASSIGN_OR_RETURN(const int64_t set_aside, OrphanedBlobs(&blobs).Count());
  if (photos || set_aside > 0) {
    return absl::FailedPreconditionError(absl::StrCat(
        catalogue.status().message(), ", but ", blobs.root(),
        " holds photos that it should name. Put it back with its gallery.db-wal, restore a backup "
        "into a new folder with 's2p-server restore', or move ",
        blobs.root(), " away to start an empty gallery"));
  }
  findings.created = true;
  return Catalogue::Open(path);
}

absl::Status CheckOrphans(size_t orphans, const GalleryFolder& folder) {
  const auto items = static_cast<int64_t>(folder.totals.photos + folder.totals.sketches);
  const std::string& photos = folder.blobs.root();
  const int64_t most = std::max(kMostOrphans, items / kItemsPerOrphan);
  if (static_cast<int64_t>(orphans) <= most) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      photos, ": ", orphans, " photos are named by no item of ", folder.catalogue, ", which has ",
      items, "; a crash leaves at most ", most,
      ". Put the right gallery.db back with its gallery.db-wal, restore a backup into a new folder "
      "with 's2p-server restore', or start once with --set-aside-orphans to move these photos to ",
      photos, "/.orphans"));
}

// Leaves every blob that the catalogue names in its place, and no other. Deletes none.
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
  if (!set_aside_orphans) {
    S2P_RETURN_IF_ERROR(CheckOrphans(survey.orphans.size(), folder));
  }
  if (!survey.orphans.empty()) {
    S2P_ASSIGN_OR_RETURN(findings.orphan_folder, orphaned.SetAside(survey.orphans, absl::Now()));
    findings.orphans_set_aside = static_cast<int64_t>(survey.orphans.size());
  }
  for (const std::string& half : survey.half_written) {
    if (unlink(half.c_str()) != 0) return FileError(errno, half, "remove");
  }
  S2P_ASSIGN_OR_RETURN(findings.orphans_kept, orphaned.Count());
  return absl::OkStatus();
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
  S2P_ASSIGN_OR_RETURN(folder.totals, folder.reader->Totals());
  S2P_RETURN_IF_ERROR(TidyBlobs(folder, set_aside_orphans));
  return folder;
}

}  // namespace s2p
