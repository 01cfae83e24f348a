// The catalogue: the gallery's durable records, in one SQLite file.
#ifndef S2P_SERVER_GALLERY_CATALOGUE_H_
#define S2P_SERVER_GALLERY_CATALOGUE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "server/gallery/gallery_view.h"
#include "server/gallery/item_journal.h"

namespace s2p {

class SqliteConnection;

inline constexpr int kCatalogueFormatVersion = 1;

// An item and the key of its row. A key is never reused: an id that is deleted or replaced gets a
// new key, so that an embedding computed in the meantime cannot be stored for other bytes.
struct CatalogueItem {
  int64_t key = 0;
  std::shared_ptr<const GalleryItem> item;
};

// The output of one version of the model for one item.
struct CatalogueEmbedding {
  std::vector<float> embedding;
  std::vector<float> attributes;
};

// One connection. Each write is a transaction, durable when it returns; Begin and Commit join
// several writes into one. Readers with their own connection see the last commit and never wait for
// a writer (WAL). Any call may fail with ResourceExhausted (the disk is full), DataLoss (the file
// is damaged) or Internal (other SQLite errors), and has then changed nothing. Thread-compatible.
class Catalogue {
 public:
  enum class IfMissing { kCreate, kFail };
  // Opens a catalogue and checks the whole file. If the file is missing, empty or has no tables,
  // creates a catalogue or returns NotFound. FailedPrecondition if the format is newer than this
  // program, the database belongs to another program, or only the catalogue's log exists.
  static absl::StatusOr<std::unique_ptr<Catalogue>> Open(const std::string& path,
                                                         IfMissing if_missing = IfMissing::kCreate);
  // Opens another connection to a catalogue that is already open: for reading, without the check.
  static absl::StatusOr<std::unique_ptr<Catalogue>> OpenReader(const std::string& path);
  // Copies one commit of a catalogue, which another process may be writing, to `to`, replacing any
  // file there. The copy is synced.
  static absl::Status Copy(const std::string& from, const std::string& to);
  ~Catalogue();

  // Rolls back if destroyed before Commit. Must not outlive the catalogue.
  class Transaction {
   public:
    ~Transaction();
    absl::Status Commit();

   private:
    friend class Catalogue;
    explicit Transaction(Catalogue* catalogue) : catalogue_(*catalogue) {}

    Catalogue& catalogue_;
    bool committed_ = false;
  };
  // Requires that no transaction is open. Opens the file again if the last one could not be rolled
  // back. Internal if the file or its log was deleted, moved or replaced while it was open.
  absl::StatusOr<std::unique_ptr<Transaction>> Begin();

  // Adds an item and returns its key. AlreadyExists if the id is taken.
  absl::StatusOr<int64_t> Insert(const GalleryItem& item);
  // Removes the item with its metadata and embeddings. False if there is no such item.
  absl::StatusOr<bool> Remove(const std::string& photo_id);
  // NotFound.
  absl::Status SetMetadata(const std::string& photo_id,
                           const std::map<std::string, std::string>& metadata);
  // Stores or replaces. Does nothing if the item no longer exists.
  absl::Status PutEmbedding(int64_t key, int64_t version, const CatalogueEmbedding& embedding);

  // Stores or replaces what kDominantColoursMethod has found. Does nothing if the item no longer
  // exists.
  absl::Status PutColours(int64_t key, absl::Span<const ColourShare> colours);

  // NotFound.
  absl::StatusOr<CatalogueItem> Find(const std::string& photo_id) const;
  // Null if there is no such item.
  absl::StatusOr<std::shared_ptr<const GalleryItem>> FindOrNull(const std::string& photo_id) const;
  // Items with photo_id > after, ascending by photo_id, at most `limit`.
  absl::StatusOr<std::vector<CatalogueItem>> List(const std::string& after, int limit) const;
  // As List, but only items without an embedding of `version`.
  absl::StatusOr<std::vector<CatalogueItem>> ListWithoutEmbedding(int64_t version,
                                                                  const std::string& after,
                                                                  int limit) const;
  absl::StatusOr<int64_t> CountWithoutEmbedding(int64_t version) const;
  // Whether any item has an embedding of `version`.
  absl::StatusOr<bool> HasEmbeddings(int64_t version) const;
  // As List, but only photos without colours of kDominantColoursMethod.
  absl::StatusOr<std::vector<CatalogueItem>> ListWithoutColours(const std::string& after,
                                                                int limit) const;
  absl::StatusOr<int64_t> CountWithoutColours() const;
  // The item's embedding of `version`; nullopt if there is none or the item no longer exists.
  // DataLoss if a stored vector is not a whole number of floats.
  absl::StatusOr<std::optional<CatalogueEmbedding>> FindEmbedding(int64_t key,
                                                                  int64_t version) const;
  // Calls `count` with the number of items that have an embedding of `version`, then `visit` with
  // each, ascending by photo_id, all as of one commit. Stops at the first error of `visit` and
  // returns it. DataLoss as FindEmbedding.
  absl::Status ForEachEmbedding(
      int64_t version, const std::function<void(int64_t)>& count,
      const std::function<absl::Status(CatalogueItem, CatalogueEmbedding)>& visit) const;
  absl::StatusOr<bool> HasBlob(const std::string& sha256) const;
  // The number of distinct blobs that the items name.
  absl::StatusOr<int64_t> CountBlobs() const;
  absl::StatusOr<GalleryTotals> Totals() const;

  // Records that `version` now serves, and forgets all but the last `keep_versions` that served.
  absl::Status NoteServing(int64_t version, int keep_versions);
  // Drops embeddings of versions that are not in ServedVersions, looking at `limit` rows after row
  // `after` (0: from the first), so that other writes need not wait for all of them. Returns the
  // row to continue after; 0 after the last.
  absl::StatusOr<int64_t> DropRetired(int64_t after, int64_t limit);
  // The last versions that served, whose embeddings are kept.
  absl::StatusOr<std::set<int64_t>> ServedVersions() const;
  // The version that an operator chose; nullopt to follow the newest.
  absl::StatusOr<std::optional<int64_t>> PinnedVersion() const;
  absl::Status SetPinnedVersion(std::optional<int64_t> version);

  // The last write that the catalogue has, as its journal numbers it; nullopt if it never had one
  // with a number.
  absl::StatusOr<std::optional<JournalPosition>> FindJournalPosition() const;
  absl::Status SetJournalPosition(const JournalPosition& position);

  // Folds the log into the file and empties it, so that it keeps nothing of what was deleted: the
  // file itself overwrites deleted content with zeros. False if another connection reads just now;
  // never waits for it.
  absl::StatusOr<bool> EmptyLog();

 private:
  explicit Catalogue(std::unique_ptr<SqliteConnection> connection);

  SqliteConnection* connection() const { return connection_.get(); }
  // Runs `work` in the open transaction, or else in one of its own.
  absl::Status Atomically(const std::function<absl::Status()>& work);
  absl::Status Reopen();

  std::unique_ptr<SqliteConnection> connection_;
  // A transaction is open that could not be rolled back.
  bool stuck_ = false;
};

}  // namespace s2p

#endif  // S2P_SERVER_GALLERY_CATALOGUE_H_
