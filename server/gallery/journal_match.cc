#include "server/gallery/journal_match.h"

#include <algorithm>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "server/storage/orphaned_blobs.h"

namespace s2p {
namespace {

// Items that are compared together, and that a journal gets with one sync.
constexpr int kItemsPerPage = 4096;

// Calls `visit` with pages of all items, by id.
template <typename Visit>
absl::Status ForEachPage(const Catalogue& catalogue, const Visit& visit) {
  std::string after;
  for (;;) {
    S2P_ASSIGN_OR_RETURN(const auto page, catalogue.List(after, kItemsPerPage));
    if (page.empty()) return absl::OkStatus();
    after = page.back().item->photo_id;
    S2P_RETURN_IF_ERROR(visit(page));
  }
}

// True if the two differ in their metadata at most.
bool IsSamePhoto(const GalleryItem& a, const GalleryItem& b) {
  return a.sha256 == b.sha256 && a.modality == b.modality && a.bytes == b.bytes &&
         a.content_type == b.content_type && a.width == b.width && a.height == b.height &&
         a.created_at == b.created_at;
}

// Makes one catalogue like one journal. One thread only.
class Follower {
 public:
  Follower(Catalogue& catalogue, const BlobStore& blobs, const ItemJournal& journal)
      : catalogue_(catalogue), blobs_(blobs), journal_(journal) {}

  // `certain`: whatever the journal lacks was deleted.
  absl::Status Prepare(bool certain) {
    certain_ = certain;
    S2P_ASSIGN_OR_RETURN(set_aside_, OrphanedBlobs(&blobs_).Digests());
    return absl::OkStatus();
  }
  // FailedPrecondition if the journal would remove more items than a crash leaves, or all of them:
  // the catalogue is then likely to be another gallery's.
  absl::Status CheckRemovals() const {
    int64_t items = 0;
    int64_t removals = 0;
    S2P_RETURN_IF_ERROR(ForEachPage(catalogue_, [&](const std::vector<CatalogueItem>& page) {
      items += static_cast<int64_t>(page.size());
      removals += std::count_if(page.begin(), page.end(),
                                [this](const CatalogueItem& entry) { return IsGone(*entry.item); });
      return absl::OkStatus();
    }));
    if (removals == 0 || (removals < items && removals <= MostLeftByCrash(items))) {
      return absl::OkStatus();
    }
    return absl::FailedPreconditionError(absl::StrCat(
        "gallery.db: ", removals, " of its ", items, " items are neither in the journal of ",
        blobs_.root(),
        " nor are their photos there, so it seems to be another gallery's. Put the right "
        "gallery.db back with its gallery.db-wal, restore a backup into a new folder with "
        "'s2p-server restore', or start once with --set-aside-orphans if it is the right one"));
  }
  absl::Status Run() {
    S2P_RETURN_IF_ERROR(ForEachPage(
        catalogue_, [&](const std::vector<CatalogueItem>& page) { return RemoveGone(page); }));
    return journal_.ForEach([this](const GalleryItem& item) { return Put(item); });
  }
  const CatalogueCatchUp& done() const { return done_; }

 private:
  bool HasPhoto(const GalleryItem& item) const { return blobs_.Has(item.sha256, item.bytes); }

  // True if the item was deleted after the catalogue's last write.
  bool IsGone(const GalleryItem& item) const {
    if (journal_.Names(item.photo_id)) return false;
    return certain_ || (!HasPhoto(item) && set_aside_.count(item.sha256) == 0);
  }

  absl::Status RemoveGone(const std::vector<CatalogueItem>& page) {
    for (const CatalogueItem& entry : page) {
      if (!IsGone(*entry.item)) continue;
      S2P_RETURN_IF_ERROR(catalogue_.Remove(entry.item->photo_id).status());
      ++done_.removed;
    }
    return absl::OkStatus();
  }

  absl::Status Put(const GalleryItem& item) {
    S2P_ASSIGN_OR_RETURN(const auto found, catalogue_.FindOrNull(item.photo_id));
    if (found == nullptr) {
      // An earlier start has decided that.
      if (!HasPhoto(item) && set_aside_.count(item.sha256) > 0) return absl::OkStatus();
      ++done_.added;
      return catalogue_.Insert(item).status();
    }
    if (journal_.Has(*found)) return absl::OkStatus();
    ++done_.changed;
    if (IsSamePhoto(*found, item)) return catalogue_.SetMetadata(item.photo_id, item.metadata);
    S2P_RETURN_IF_ERROR(catalogue_.Remove(item.photo_id).status());
    return catalogue_.Insert(item).status();
  }

  Catalogue& catalogue_;
  const BlobStore& blobs_;
  const ItemJournal& journal_;
  bool certain_ = false;
  std::set<std::string> set_aside_;
  CatalogueCatchUp done_;
};

// Forgets the items that the catalogue has not, unless their photos are set aside: then the
// catalogue may be the wrong one, and this the only record of them.
absl::Status ForgetUnnamed(const Catalogue& catalogue, const BlobStore& blobs,
                           ItemJournal& journal) {
  S2P_ASSIGN_OR_RETURN(const auto set_aside, OrphanedBlobs(&blobs).Digests());
  std::vector<std::string> unnamed;
  S2P_RETURN_IF_ERROR(journal.ForEach([&](const GalleryItem& item) -> absl::Status {
    S2P_ASSIGN_OR_RETURN(const auto found, catalogue.FindOrNull(item.photo_id));
    if (found != nullptr) return absl::OkStatus();
    S2P_ASSIGN_OR_RETURN(const bool shared, catalogue.HasBlob(item.sha256));
    if (shared || set_aside.count(item.sha256) == 0) unnamed.push_back(item.photo_id);
    return absl::OkStatus();
  }));
  return journal.Append({}, unnamed);
}

uint64_t NewHistory() {
  std::random_device device;
  uint64_t history = 0;
  while (history == 0) history = (uint64_t{device()} << 32) | device();
  return history;
}

}  // namespace

int64_t MostLeftByCrash(int64_t items) {
  // A crash leaves the blobs of one write or delete, which are far fewer. A power cut may also
  // bring back files whose deletion had not reached the disk.
  constexpr int64_t kMost = 1000;
  constexpr int64_t kItemsPerOne = 100;
  return std::max(kMost, items / kItemsPerOne);
}

absl::StatusOr<CatalogueCatchUp> FollowJournal(Catalogue& catalogue, const BlobStore& blobs,
                                               const ItemJournal& journal) {
  const JournalPosition& last = journal.position();
  S2P_ASSIGN_OR_RETURN(const auto known, catalogue.FindJournalPosition());
  if (last.history == 0) return CatalogueCatchUp();
  if (known && (known->history != last.history || known->write >= last.write)) {
    return CatalogueCatchUp();
  }
  Follower follower(catalogue, blobs, journal);
  S2P_RETURN_IF_ERROR(follower.Prepare(known.has_value() && journal.findings().damaged.empty()));
  if (!known) S2P_RETURN_IF_ERROR(follower.CheckRemovals());
  S2P_ASSIGN_OR_RETURN(const auto transaction, catalogue.Begin());
  S2P_RETURN_IF_ERROR(follower.Run());
  // Without a number of its own, NumberWrites begins a new history.
  if (known) S2P_RETURN_IF_ERROR(catalogue.SetJournalPosition(last));
  S2P_RETURN_IF_ERROR(transaction->Commit());
  CatalogueCatchUp done = follower.done();
  done.writes = last.write - (known ? known->write : 0);
  return done;
}

absl::StatusOr<int64_t> MatchJournal(const Catalogue& catalogue, const BlobStore& blobs,
                                     ItemJournal& journal) {
  int64_t added = 0;
  size_t items = 0;
  S2P_RETURN_IF_ERROR(ForEachPage(catalogue, [&](const std::vector<CatalogueItem>& page) {
    items += page.size();
    std::vector<const GalleryItem*> lacking;
    for (const CatalogueItem& entry : page) {
      if (!journal.Has(*entry.item)) lacking.push_back(entry.item.get());
    }
    added += static_cast<int64_t>(lacking.size());
    return journal.Append(lacking, {});
  }));
  if (journal.size() > items) {
    S2P_RETURN_IF_ERROR(ForgetUnnamed(catalogue, blobs, journal));
  }
  return added;
}

absl::Status NumberWrites(Catalogue& catalogue, ItemJournal& journal) {
  const JournalPosition& last = journal.position();
  S2P_ASSIGN_OR_RETURN(const auto known, catalogue.FindJournalPosition());
  if (known && last.history != 0 && *known == last) return journal.StartNumbering(last);
  // A number that neither has had.
  JournalPosition next = known.value_or(JournalPosition());
  next.write = std::max(next.write, last.write) + 1;
  // The journal has just taken over what the catalogue has. If the catalogue was the wrong one, the
  // right one has the journal's former history, and must not count as older.
  const bool strange = last.history != 0 && (!known || known->history != last.history);
  if (strange || next.history == 0) next.history = NewHistory();
  // If a crash comes between the two, the next start finds an older catalogue that lacks nothing,
  // or begins another history.
  S2P_RETURN_IF_ERROR(journal.StartNumbering(next));
  return catalogue.SetJournalPosition(next);
}

}  // namespace s2p
