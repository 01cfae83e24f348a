// The catalogue's schema and statements. For catalogue.cc only.
#ifndef S2P_SERVER_GALLERY_CATALOGUE_SQL_H_
#define S2P_SERVER_GALLERY_CATALOGUE_SQL_H_

#include <cstdint>

namespace s2p {

// "s2pg": distinguishes our database from another program's.
inline constexpr int64_t kApplicationId = 0x73327067;

// AUTOINCREMENT, because a key must never be reused. Texts compare by byte, as std::string does.
// Embeddings are little-endian float32, as everywhere that this program runs.
inline constexpr char kSchema[] = R"sql(
CREATE TABLE items (
  item_key INTEGER PRIMARY KEY AUTOINCREMENT,
  photo_id TEXT NOT NULL UNIQUE,
  modality INTEGER NOT NULL,
  sha256 TEXT NOT NULL,
  bytes INTEGER NOT NULL,
  content_type TEXT NOT NULL,
  width INTEGER NOT NULL,
  height INTEGER NOT NULL,
  created_at_microseconds INTEGER NOT NULL
) STRICT;
CREATE INDEX items_by_blob ON items (sha256);
CREATE TABLE metadata (
  item_key INTEGER NOT NULL REFERENCES items ON DELETE CASCADE,
  name TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (item_key, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE embeddings (
  item_key INTEGER NOT NULL REFERENCES items ON DELETE CASCADE,
  version INTEGER NOT NULL,
  embedding BLOB NOT NULL,
  attributes BLOB NOT NULL,
  PRIMARY KEY (item_key, version)
) STRICT;
CREATE TABLE served_versions (
  served_order INTEGER PRIMARY KEY AUTOINCREMENT,
  version INTEGER NOT NULL UNIQUE
) STRICT;
CREATE TABLE pin (
  only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
  version INTEGER NOT NULL
) STRICT;
)sql";

// A program that does not know these tables loses nothing, so the format stays the same: colours
// are derived from the photos (`colours` are four floats each: L, a, b and share), and a catalogue
// whose journal position is missing or behind is compared with the journal.
inline constexpr char kAdditions[] = R"sql(
CREATE TABLE IF NOT EXISTS colours (
  item_key INTEGER PRIMARY KEY REFERENCES items ON DELETE CASCADE,
  method INTEGER NOT NULL,
  colours BLOB NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS journal_position (
  only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
  history INTEGER NOT NULL,
  write_number INTEGER NOT NULL
) STRICT;
)sql";

#define S2P_ITEM_COLUMNS                                                        \
  "items.item_key, items.photo_id, items.modality, items.sha256, items.bytes, " \
  "items.content_type, items.width, items.height, items.created_at_microseconds"
inline constexpr int kItemColumns = 9;

inline constexpr char kInsertItem[] =
    "INSERT INTO items (photo_id, modality, sha256, bytes, content_type, width, height, "
    "created_at_microseconds) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING";
inline constexpr char kInsertMetadata[] =
    "INSERT INTO metadata (item_key, name, value) VALUES (?, ?, ?)";
inline constexpr char kDeleteItem[] = "DELETE FROM items WHERE photo_id = ?";
inline constexpr char kDeleteMetadata[] = "DELETE FROM metadata WHERE item_key = ?";
inline constexpr char kSelectMetadata[] = "SELECT name, value FROM metadata WHERE item_key = ?";
inline constexpr char kPutEmbedding[] =
    "INSERT OR REPLACE INTO embeddings (item_key, version, embedding, attributes) "
    "SELECT item_key, ?, ?, ? FROM items WHERE item_key = ?";
inline constexpr char kSelectColours[] =
    "SELECT colours FROM colours WHERE item_key = ? AND method = ?";
inline constexpr char kPutColours[] =
    "INSERT OR REPLACE INTO colours (item_key, method, colours) "
    "SELECT item_key, ?, ? FROM items WHERE item_key = ?";
inline constexpr char kListWithoutColours[] =
    "SELECT " S2P_ITEM_COLUMNS
    " FROM items WHERE photo_id > ? AND modality = ? AND NOT EXISTS (SELECT 1 FROM colours "
    "WHERE colours.item_key = items.item_key AND method = ?) ORDER BY photo_id LIMIT ?";
inline constexpr char kCountWithoutColours[] =
    "SELECT COUNT(*) FROM items WHERE modality = ? AND NOT EXISTS (SELECT 1 FROM colours "
    "WHERE colours.item_key = items.item_key AND method = ?)";
inline constexpr char kFindItem[] = "SELECT " S2P_ITEM_COLUMNS " FROM items WHERE photo_id = ?";
inline constexpr char kListItems[] =
    "SELECT " S2P_ITEM_COLUMNS " FROM items WHERE photo_id > ? ORDER BY photo_id LIMIT ?";
inline constexpr char kListWithoutEmbedding[] =
    "SELECT " S2P_ITEM_COLUMNS
    " FROM items WHERE photo_id > ? AND NOT EXISTS (SELECT 1 FROM embeddings "
    "WHERE embeddings.item_key = items.item_key AND version = ?) ORDER BY photo_id LIMIT ?";
inline constexpr char kCountWithoutEmbedding[] =
    "SELECT COUNT(*) FROM items WHERE NOT EXISTS (SELECT 1 FROM embeddings "
    "WHERE embeddings.item_key = items.item_key AND version = ?)";
inline constexpr char kListEmbeddings[] =
    "SELECT " S2P_ITEM_COLUMNS
    ", embedding, attributes FROM items JOIN embeddings "
    "ON embeddings.item_key = items.item_key AND version = ? ORDER BY photo_id";
inline constexpr char kFindEmbedding[] =
    "SELECT embedding, attributes FROM embeddings WHERE item_key = ? AND version = ?";
inline constexpr char kCountEmbeddings[] = "SELECT COUNT(*) FROM embeddings WHERE version = ?";
inline constexpr char kAnyEmbedding[] = "SELECT 1 FROM embeddings WHERE version = ? LIMIT 1";
inline constexpr char kHasBlob[] = "SELECT 1 FROM items WHERE sha256 = ? LIMIT 1";
inline constexpr char kCountBlobs[] = "SELECT COUNT(DISTINCT sha256) FROM items";
// COUNT is 0 where SUM is NULL.
inline constexpr char kTotals[] =
    "SELECT COUNT(*), COUNT(CASE modality WHEN ? THEN 1 END), IFNULL(SUM(bytes), 0) FROM items";
inline constexpr char kNoteServed[] = "INSERT OR REPLACE INTO served_versions (version) VALUES (?)";
inline constexpr char kForgetServed[] =
    "DELETE FROM served_versions WHERE served_order NOT IN "
    "(SELECT served_order FROM served_versions ORDER BY served_order DESC LIMIT ?)";
inline constexpr char kDropRetired[] =
    "DELETE FROM embeddings WHERE rowid > ? AND rowid <= ? AND version NOT IN "
    "(SELECT version FROM served_versions)";
inline constexpr char kLastEmbedding[] = "SELECT coalesce(max(rowid), 0) FROM embeddings";
inline constexpr char kSelectServed[] = "SELECT version FROM served_versions";
inline constexpr char kSelectPin[] = "SELECT version FROM pin";
inline constexpr char kPutPin[] = "INSERT OR REPLACE INTO pin (only_row, version) VALUES (1, ?)";
inline constexpr char kDeletePin[] = "DELETE FROM pin";
inline constexpr char kSelectJournalPosition[] =
    "SELECT history, write_number FROM journal_position";
inline constexpr char kPutJournalPosition[] =
    "INSERT OR REPLACE INTO journal_position (only_row, history, write_number) VALUES (1, ?, ?)";

#undef S2P_ITEM_COLUMNS

}  // namespace s2p

#endif  // S2P_SERVER_GALLERY_CATALOGUE_SQL_H_
