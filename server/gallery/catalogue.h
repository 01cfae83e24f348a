// The catalogue: what the gallery durably knows, in one SQLite file.
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

namespace s2p {

inline constexpr int kCatalogueFormatVersion = 1;

// An item and the key of its row. A key names one item for ever: an id that is deleted or replaced
// gets a new one, so that an embedding computed meanwhile cannot land on other bytes.
struct CatalogueItem {
  int64_t key = 0;
  std::shared_ptr<const GalleryItem> item;
};

// What one version of the model made of one item.
struct CatalogueEmbedding {
  std::vector<float> embedding;
  std::vector<float> attributes;
};

struct CatalogueTotals {
  int64_t photos = 0;
  int64_t sketches = 0;
  int64_t bytes = 0;
};

// One connection. A write is one transaction, durable when it returns, or the calls between Begin
// and Commit are. Readers on connections of their own see the last commit and never wait for a
// writer (WAL). Any call: ResourceExhausted when the disk is full, DataLoss if the file is damaged,
// Internal for what else SQLite says; nothing has changed then. One thread at a time.
class Catalogue {
 public:
  enum class IfMissing { kCreate, kFail };
  // Opens a catalogue and reads it whole to check it. Where the file is missing or empty, or has no
  // table, it creates one or returns NotFound. FailedPrecondition if the format is newer than this
  // program, if the database is another program's, or if only the log of a catalogue is there.
  static absl::StatusOr<std::unique_ptr<Catalogue>> Open(const std::string& path,
                                                         IfMissing if_missing = IfMissing::kCreate);
  // One more connection to a catalogue that is open already: for reads, and not checked again.
  static absl::StatusOr<std::unique_ptr<Catalogue>> OpenReader(const std::string& path);
  // Copies one commit of a catalogue, which another process may be writing, to a file that replaces
  // what was there, synced.
  static absl::Status Copy(const std::string& from, const std::string& to);
  virtual ~Catalogue() = default;

  // Rolls back when it dies before Commit.
  class Transaction {
   public:
    virtual ~Transaction() = default;
    virtual absl::Status Commit() = 0;
  };
  // The transaction must die before the catalogue. Requires that none is open.
  virtual absl::StatusOr<std::unique_ptr<Transaction>> Begin() = 0;

  // Adds an item, whose id must not be there, and returns its key. AlreadyExists.
  virtual absl::StatusOr<int64_t> Insert(const GalleryItem& item) = 0;
  // Removes the item with its metadata and embeddings. False if there is none.
  virtual absl::StatusOr<bool> Remove(const std::string& photo_id) = 0;
  // NotFound.
  virtual absl::Status SetMetadata(const std::string& photo_id,
                                   const std::map<std::string, std::string>& metadata) = 0;
  // Replaces. Does nothing if the item is gone.
  virtual absl::Status PutEmbedding(int64_t key, int64_t version,
                                    const CatalogueEmbedding& embedding) = 0;

  // NotFound.
  virtual absl::StatusOr<CatalogueItem> Find(const std::string& photo_id) const = 0;
  // Items with photo_id > after, ascending by photo_id, at most `limit`.
  virtual absl::StatusOr<std::vector<CatalogueItem>> List(const std::string& after,
                                                          int limit) const = 0;
  // The same of those that have no embedding of `version`.
  virtual absl::StatusOr<std::vector<CatalogueItem>> ListWithoutEmbedding(int64_t version,
                                                                          const std::string& after,
                                                                          int limit) const = 0;
  virtual absl::StatusOr<int64_t> CountWithoutEmbedding(int64_t version) const = 0;
  // What `version` made of the item; nullopt if nothing yet, or if the item is gone. DataLoss if a
  // stored vector is not a whole number of floats.
  virtual absl::StatusOr<std::optional<CatalogueEmbedding>> FindEmbedding(
      int64_t key, int64_t version) const = 0;
  // Every item that has an embedding of `version`, ascending by photo_id, as of one commit; `count`
  // is called before the first, with their number. Stops at the first status that is not OK and
  // returns it. DataLoss as FindEmbedding.
  virtual absl::Status ForEachEmbedding(
      int64_t version, const std::function<void(int64_t)>& count,
      const std::function<absl::Status(CatalogueItem, CatalogueEmbedding)>& visit) const = 0;
  virtual absl::StatusOr<bool> HasBlob(const std::string& sha256) const = 0;
  // Different blobs that the items have.
  virtual absl::StatusOr<int64_t> CountBlobs() const = 0;
  virtual absl::StatusOr<CatalogueTotals> Totals() const = 0;

  // Notes that `version` serves from now on, and forgets all but the `keep_versions` that served
  // last.
  virtual absl::Status NoteServing(int64_t version, int keep_versions) = 0;
  // Drops embeddings of versions that are not among those, looking at `limit` rows behind row
  // `after` (0: from the first), so that other writes need not wait for all of them. The row to go
  // on behind; 0 after the last.
  virtual absl::StatusOr<int64_t> DropRetired(int64_t after, int64_t limit) = 0;
  // Those that served last, whose embeddings are kept.
  virtual absl::StatusOr<std::set<int64_t>> ServedVersions() const = 0;
  // The version that an operator chose; none: the newest is followed.
  virtual absl::StatusOr<std::optional<int64_t>> PinnedVersion() const = 0;
  virtual absl::Status SetPinnedVersion(std::optional<int64_t> version) = 0;
};

}  // namespace s2p

#endif  // S2P_SERVER_GALLERY_CATALOGUE_H_
