// Gallery::Open: compares catalogue and photos before anything is served.
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "model/file.h"
#include "server/gallery/durable_gallery.h"
#include "server/gallery/orphaned_blobs.h"

namespace s2p {
namespace {

// A crash leaves the blobs of one write, or of one delete, which are far fewer; a power cut may
// also bring back files whose deletion had not reached the disk.
constexpr int64_t kMostOrphans = 1000;
constexpr int64_t kItemsPerOrphan = 100;

absl::Status CheckOptions(const GalleryOptions& options) {
  if (options.data_dir.empty()) return absl::InvalidArgumentError("data_dir: empty");
  if (options.keep_versions < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("keep_versions: ", options.keep_versions, " is below 1"));
  }
  return absl::OkStatus();
}

// Opens the catalogue. Creates one only where no photo is, because an empty catalogue would make an
// orphan of every photo.
absl::StatusOr<std::unique_ptr<Catalogue>> OpenCatalogue(const std::string& path,
                                                         const BlobStore& blobs, bool* created) {
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
  *created = true;
  return Catalogue::Open(path);
}

absl::Status CheckOrphans(size_t orphans, int64_t items, const std::string& path,
                          const std::string& photos) {
  const int64_t most = std::max(kMostOrphans, items / kItemsPerOrphan);
  if (static_cast<int64_t>(orphans) <= most) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      photos, ": ", orphans, " photos are named by no item of ", path, ", which has ", items,
      "; a crash leaves at most ", most,
      ". Put the right gallery.db back with its gallery.db-wal, restore a backup into a new folder "
      "with 's2p-server restore', or start once with --set-aside-orphans to move these photos to ",
      photos, "/.orphans"));
}

// Leaves each blob that the catalogue names in its place and no other. Deletes none.
absl::Status TidyBlobs(const GalleryOptions& options, const std::string& path,
                       const Catalogue& catalogue, const BlobStore& blobs, int64_t items,
                       GalleryFindings& findings) {
  const auto is_referenced = [&catalogue](const std::string& sha256) {
    return catalogue.HasBlob(sha256);
  };
  const OrphanedBlobs orphaned(&blobs);
  S2P_ASSIGN_OR_RETURN(findings.brought_back, orphaned.BringBack(is_referenced));
  S2P_ASSIGN_OR_RETURN(const auto survey, blobs.Survey(is_referenced));
  S2P_ASSIGN_OR_RETURN(const auto named, catalogue.CountBlobs());
  findings.missing = named - survey.referenced;
  if (!options.set_aside_orphans) {
    S2P_RETURN_IF_ERROR(CheckOrphans(survey.orphans.size(), items, path, blobs.root()));
  }
  if (!survey.orphans.empty()) {
    S2P_ASSIGN_OR_RETURN(const auto folder, orphaned.SetAside(survey.orphans, absl::Now()));
    findings.orphans_set_aside = static_cast<int64_t>(survey.orphans.size());
    findings.orphan_folder = folder;
  }
  for (const std::string& half : survey.half_written) {
    if (unlink(half.c_str()) != 0) return FileError(errno, half, "remove");
  }
  S2P_ASSIGN_OR_RETURN(findings.orphans_kept, orphaned.Count());
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Gallery>> Gallery::Open(const GalleryOptions& options,
                                                       SnapshotSlot* slot) {
  S2P_RETURN_IF_ERROR(CheckOptions(options));
  S2P_ASSIGN_OR_RETURN(auto lock, FolderLock::Acquire(options.data_dir));
  S2P_ASSIGN_OR_RETURN(auto blobs, BlobStore::Open(absl::StrCat(options.data_dir, "/photos")));
  GalleryFindings findings;
  const std::string path = absl::StrCat(options.data_dir, "/gallery.db");
  S2P_ASSIGN_OR_RETURN(auto writer, OpenCatalogue(path, blobs, &findings.created));
  S2P_ASSIGN_OR_RETURN(auto reader, Catalogue::OpenReader(path));
  S2P_RETURN_IF_ERROR(SyncDirectory(options.data_dir));
  S2P_ASSIGN_OR_RETURN(const GalleryTotals totals, reader->Totals());
  S2P_RETURN_IF_ERROR(TidyBlobs(options, path, *reader, blobs,
                                static_cast<int64_t>(totals.photos + totals.sketches), findings));
  auto gallery = std::make_unique<DurableGallery>(options, slot, std::move(lock), std::move(blobs),
                                                  std::move(writer), std::move(reader), totals);
  S2P_RETURN_IF_ERROR(gallery->Init());
  if (options.on_open) options.on_open(findings);
  return std::unique_ptr<Gallery>(std::move(gallery));
}

}  // namespace s2p
