// The facts about a gallery's items, next to their photos: ids and metadata outlive the catalogue.
#ifndef S2P_SERVER_GALLERY_ITEM_JOURNAL_H_
#define S2P_SERVER_GALLERY_ITEM_JOURNAL_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "server/gallery/gallery_view.h"

namespace s2p {

// The state in which a journal was found.
struct JournalFindings {
  // There was none, so an empty one was created.
  bool created = false;
  // Bytes at the end that a crash left half written.
  uint64_t torn_bytes = 0;
  // Lines that cannot be read, as "bytes 120 to 333".
  std::vector<std::string> damaged;
};

// The place of a write in the history of a gallery, which journal and catalogue both record. A
// plain value.
struct JournalPosition {
  // A random number that tells histories apart; 0: none.
  uint64_t history = 0;
  // Writes are numbered in order.
  int64_t write = 0;

  bool operator==(const JournalPosition& other) const {
    return history == other.history && write == other.write;
  }
};

// A text file, one line a fact, tab-separated:
//
//   <checksum> s2p-items 1                      the first line; 1 is the format
//   <checksum> item <id> <modality> <sha256> <bytes> <content type> <width> <height>
//              <created, microseconds since 1970> [<name> <value>]...
//   <checksum> void <offset>... [<history>:<write>]
//                                               the lines at these offsets are not true any more
//
// The checksum is the first 16 hex digits of the SHA-256 of the rest; a modality is its number in
// Modality; texts are escaped as in C. A write that is numbered ends with a void line that has the
// write's JournalPosition, the history in 16 hex digits; programs that number no writes ignore it.
// A line that is void is overwritten with spaces, so nothing of a deleted item stays: neither its
// void line nor the spaces name it. When more than half of the file, and more than 1 MiB, is void,
// the file is replaced by one without void lines.
//
// A journal rather than one small file per photo: writes that share a transaction share one
// fdatasync here too, where small files would cost each photo a sync and a block of 4 KiB. The
// journal is written first, taken back if the catalogue does not commit, and compared with the
// catalogue at each start (journal_match.h). It costs each write one fdatasync, each item 40 to 60
// bytes of memory, and a start about a second of a core for 100,000 items.
//
// Thread-compatible.
class ItemJournal {
 public:
  // Opens for writing, and creates the file if it is missing. Drops a half-written end.
  // FailedPrecondition if the format is newer or the file is no journal; else errors of files.
  static absl::StatusOr<std::unique_ptr<ItemJournal>> Open(const std::string& path);
  // Opens for ForEach, and changes nothing. NotFound; else as Open.
  static absl::StatusOr<std::unique_ptr<ItemJournal>> OpenReader(const std::string& path);
  ~ItemJournal();
  ItemJournal(const ItemJournal&) = delete;
  ItemJournal& operator=(const ItemJournal&) = delete;

  const JournalFindings& findings() const { return findings_; }
  // The number of items.
  size_t size() const { return places_.size(); }
  // True if the journal has exactly this record of the item.
  bool Has(const GalleryItem& item) const;
  // True if the journal has an item of that id.
  bool Names(absl::string_view photo_id) const { return places_.count(KeyOf(photo_id)) > 0; }
  // The last write that was numbered; its history is 0 if none was.
  const JournalPosition& position() const { return position_; }
  // The number that the next Append will have; nullopt before StartNumbering.
  std::optional<JournalPosition> NextPosition() const;
  // Visits each item, in the order in which they were written. DataLoss if a line has changed since
  // the journal was opened; else stops at the first error of `visit`.
  absl::Status ForEach(const std::function<absl::Status(const GalleryItem&)>& visit) const;
  // Items whose lines are void but not yet overwritten, as a crash in a deletion leaves them: those
  // that Erase will overwrite.
  absl::StatusOr<std::vector<GalleryItem>> Unerased() const;

  // Records `put`, each in place of the item of its id, and forgets the items `removed`. Durable
  // when it returns. ResourceExhausted when the disk is full; after any error nothing has changed.
  absl::Status Append(absl::Span<const GalleryItem* const> put,
                      absl::Span<const std::string> removed);
  // Takes the last Append back, because the catalogue did not commit it. A record that cannot be
  // taken back now is taken back before the next Append; if a crash comes first, it stays true.
  void TakeBack();
  // True while a crash may bring back an Append that failed or was taken back.
  bool MayComeBack() const { return overhang_; }
  // From here on writes are numbered, and `last` is the number of all that the journal has now.
  // Durable when it returns; errors as Append.
  absl::Status StartNumbering(const JournalPosition& last);
  // Overwrites the lines that are void, and writes the file anew if most of it is. Lines that
  // cannot be overwritten are tried again by the next call and the next start.
  absl::Status Erase();
  // Writes the file anew, without damaged and void lines.
  absl::Status Rewrite();

 private:
  // 128 bits of the SHA-256 of an id: collisions do not happen.
  using Key = std::array<uint64_t, 2>;
  // A line, with its newline, and the first 32 bits of its checksum.
  struct Place {
    uint64_t offset = 0;
    uint32_t size = 0;
    uint32_t check = 0;
  };
  // The state before the last Append.
  struct Before {
    uint64_t end = 0;
    uint64_t live = 0;
    size_t voided = 0;
    std::vector<std::pair<Key, Place>> places;
    std::vector<Key> added;
    JournalPosition position;
  };
  class Loader;

  ItemJournal(std::string path, int descriptor) : path_(std::move(path)), descriptor_(descriptor) {}
  static Key KeyOf(absl::string_view photo_id);
  absl::Status Load();
  // Cuts off whatever a failed write has left behind the end.
  absl::Status CutOff();
  absl::Status WriteAt(uint64_t offset, absl::string_view bytes) const;
  // Writes at the end and syncs. After an error the end is to be taken back.
  absl::Status WriteAtEnd(absl::string_view lines);
  // The state to which TakeBack returns, before anything is added.
  Before Now() const { return {end_, live_, voided_.size(), {}, {}, position_}; }
  absl::StatusOr<std::string> ReadLine(const Place& place) const;
  absl::StatusOr<GalleryItem> ReadItem(const Place& place) const;
  // The places of the items, as they lie in the file.
  std::vector<Place> InOrder() const;
  void Forget(Key key);

  const std::string path_;
  int descriptor_;
  JournalFindings findings_;
  absl::flat_hash_map<Key, Place> places_;
  // Void lines that still have their text.
  std::vector<Place> voided_;
  Before before_;
  JournalPosition position_;
  bool numbering_ = false;
  uint64_t end_ = 0;
  // Bytes of the items' lines.
  uint64_t live_ = 0;
  // There may be bytes behind the end, or they may be on disk.
  bool overhang_ = false;
};

}  // namespace s2p

#endif  // S2P_SERVER_GALLERY_ITEM_JOURNAL_H_
