// The gallery's folder on disk, locked, compared and opened.
#ifndef S2P_SERVER_GALLERY_GALLERY_FOLDER_H_
#define S2P_SERVER_GALLERY_GALLERY_FOLDER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "daemon/folder_lock.h"
#include "server/gallery/catalogue.h"
#include "server/gallery/gallery_view.h"
#include "server/gallery/item_journal.h"
#include "server/gallery/journal_match.h"
#include "server/storage/blob_store.h"

namespace s2p {

// The state in which a start found the folder.
struct GalleryFindings {
  // There was no catalogue, so an empty one was created.
  bool created = false;
  // Photos that no item names: those that this start moved to `orphan_folder`, and all that are set
  // aside now.
  int64_t orphans_set_aside = 0;
  int64_t orphans_kept = 0;
  std::string orphan_folder;
  // Photos that an earlier start had set aside and that the catalogue names again.
  int64_t brought_back = 0;
  // Photos that the catalogue names and whose files are missing.
  int64_t missing = 0;
  // Digests of those, the first 1,000 by photo_id.
  std::vector<std::string> missing_digests;
  // Photos whose deletion a crash had interrupted, and that this start removed.
  int64_t deletions_finished = 0;
  // Counts what the catalogue lacked and now has from the journal.
  CatalogueCatchUp catch_up;
  JournalFindings journal;
  // Items that the journal lacked and has now: all of them in a folder of an older program.
  int64_t journal_items_added = 0;
  // An error if the journal could not be completed, as when the disk is full. The gallery works
  // nevertheless; the next start tries again.
  absl::Status journal_status;
};

// The journal's name in the folder of photos.
inline constexpr absl::string_view kItemJournalName = "items.journal";

// <data_dir>/gallery.db and photos/, in one piece: each photo that the catalogue names is in its
// place unless it is missing, no other photo is, and the journal names the same items. The newer of
// catalogue and journal is believed (FollowJournal). A value, to be taken apart.
struct GalleryFolder {
  // Locks and opens the folder, creating what is missing. Errors as Gallery::Open.
  static absl::StatusOr<GalleryFolder> Open(const std::string& data_dir, bool set_aside_orphans);

  std::unique_ptr<FolderLock> lock;
  BlobStore blobs;
  // The path of the catalogue, and two connections to it.
  std::string catalogue;
  std::unique_ptr<Catalogue> writer;
  std::unique_ptr<Catalogue> reader;
  std::unique_ptr<ItemJournal> journal;
  GalleryTotals totals;
  GalleryFindings findings;
};

}  // namespace s2p

#endif  // S2P_SERVER_GALLERY_GALLERY_FOLDER_H_
