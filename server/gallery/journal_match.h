// Makes a gallery's catalogue and its journal agree when the gallery is opened.
#ifndef S2P_SERVER_GALLERY_JOURNAL_MATCH_H_
#define S2P_SERVER_GALLERY_JOURNAL_MATCH_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/gallery/catalogue.h"
#include "server/gallery/item_journal.h"
#include "server/storage/blob_store.h"

namespace s2p {

// Counts what a catalogue took from its journal. A plain value.
struct CatalogueCatchUp {
  // Writes that the catalogue lacked: 1 after a crash between the journal's record and the commit,
  // more if an older catalogue was put back; 0 if it was not behind.
  int64_t writes = 0;
  // Items that changed for that.
  int64_t added = 0;
  int64_t changed = 0;
  int64_t removed = 0;

  bool any() const { return added + changed + removed > 0; }
};

// The most photos or items in a gallery of that many items on which the files may disagree after a
// crash. More mean that they are not of one gallery.
int64_t MostLeftByCrash(int64_t items);

// Gives an older catalogue the items of its journal and their metadata, in one transaction. Older
// is one that has a smaller number of the same history, or none although the journal has one.
// Does nothing if the catalogue is not older, or if no number tells. An item that the journal lacks
// is removed; if the journal is damaged or the catalogue has no number, only one whose photo is
// gone. FailedPrecondition, and nothing has changed, if a catalogue without a number would lose
// more than MostLeftByCrash or all of its items: it is another gallery's. Photos that are set aside
// stay there. What only the catalogue knows, such as the pinned version, stays as old as it is.
absl::StatusOr<CatalogueCatchUp> FollowJournal(Catalogue& catalogue, const BlobStore& blobs,
                                               const ItemJournal& journal);

// Makes the journal name the catalogue's items and no others, apart from those whose photos are set
// aside and that no item of the catalogue has. Returns the number of items that were missing.
absl::StatusOr<int64_t> MatchJournal(const Catalogue& catalogue, const BlobStore& blobs,
                                     ItemJournal& journal);

// Numbers the writes from here on. Call it when both agree: the next FollowJournal believes the
// journal. Begins a new history if the catalogue was of another one than the journal or of none.
absl::Status NumberWrites(Catalogue& catalogue, ItemJournal& journal);

}  // namespace s2p

#endif  // S2P_SERVER_GALLERY_JOURNAL_MATCH_H_
