#include "server/gallery/catalogue.h"

#include <filesystem>
#include <string>
#include <system_error>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "model/file.h"
#include "server/gallery/catalogue_sql.h"
#include "server/gallery/sqlite_query.h"

namespace s2p {
namespace {

absl::StatusOr<int64_t> Pragma(SqliteConnection* connection, const char* sql) {
  SqliteQuery query(connection, sql);
  S2P_ASSIGN_OR_RETURN(bool row, query.Next());
  return row ? query.Integer(0) : 0;
}

// NotFound if the file is missing or has no bytes.
absl::Status CheckFile(const std::string& path) {
  std::error_code error;
  const std::filesystem::file_status found = std::filesystem::status(path, error);
  // A symbolic link into a volume that is not mounted counts as missing too.
  if (found.type() == std::filesystem::file_type::not_found) {
    return absl::NotFoundError(absl::StrCat(path, ": is missing"));
  }
  if (error) return FileError(error.value(), path, "look at");
  if (found.type() != std::filesystem::file_type::regular) {
    return absl::FailedPreconditionError(absl::StrCat(path, ": is not a regular file"));
  }
  const uintmax_t size = std::filesystem::file_size(path, error);
  if (error) return FileError(error.value(), path, "size");
  return size > 0 ? absl::OkStatus() : absl::NotFoundError(absl::StrCat(path, ": is empty"));
}

// SQLite deletes the write-ahead log of a database that is missing, and with it the last writes.
absl::Status CheckNoLog(const std::string& path) {
  const std::string log = path + "-wal";
  std::error_code ignored;
  if (!std::filesystem::exists(log, ignored) || std::filesystem::file_size(log, ignored) == 0) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(
      absl::StrCat(path, ": is missing or empty, but its log ", log,
                   " is there. Put the file back next to its log, or move the log away"));
}

absl::Status Configure(SqliteConnection* connection) {
  SqliteQuery query(connection, "PRAGMA journal_mode = WAL");
  S2P_ASSIGN_OR_RETURN(bool row, query.Next());
  if (!row || query.Text(0) != "wal") {
    return absl::FailedPreconditionError(absl::StrCat(
        connection->path(), ": the file system does not allow a write-ahead log; use a local one"));
  }
  // A log that had to grow, because a backup was reading, shrinks again when it is reused.
  return connection->Execute(
      "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA secure_delete = ON; "
      "PRAGMA journal_size_limit = 16777216");
}

// OK if this program can read the database as a catalogue. NotFound if it is empty;
// FailedPrecondition as Catalogue::Open. Changes nothing.
absl::Status Identify(SqliteConnection* connection) {
  S2P_ASSIGN_OR_RETURN(int64_t application, Pragma(connection, "PRAGMA application_id"));
  S2P_ASSIGN_OR_RETURN(int64_t format, Pragma(connection, "PRAGMA user_version"));
  S2P_ASSIGN_OR_RETURN(int64_t tables, Pragma(connection, "SELECT COUNT(*) FROM sqlite_master"));
  if (application == 0 && format == 0 && tables == 0) {
    return absl::NotFoundError(absl::StrCat(connection->path(), ": is empty"));
  }
  if (application != kApplicationId || format < 1) {
    return absl::FailedPreconditionError(
        absl::StrCat(connection->path(), ": is not a gallery's catalogue"));
  }
  if (format > kCatalogueFormatVersion) {
    return absl::FailedPreconditionError(
        absl::StrCat(connection->path(), ": format version ", format,
                     " is newer than this program, which reads ", kCatalogueFormatVersion));
  }
  return absl::OkStatus();
}

absl::Status CheckPages(SqliteConnection* connection) {
  SqliteQuery check(connection, "PRAGMA quick_check(1)");
  S2P_ASSIGN_OR_RETURN(bool row, check.Next());
  if (row && check.Text(0) == "ok") return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(connection->path(), ": damaged: ", check.Text(0)));
}

absl::Status InsertMetadata(SqliteConnection* connection, int64_t key,
                            const std::map<std::string, std::string>& metadata) {
  for (const auto& [name, value] : metadata) {
    SqliteQuery insert(connection, kInsertMetadata);
    S2P_RETURN_IF_ERROR(insert.Bind(key).Bind(name).Bind(value).Run());
  }
  return absl::OkStatus();
}

// Reads the embedding at `column` of the query's row, and the attributes in the next column.
absl::StatusOr<CatalogueEmbedding> ReadEmbedding(const SqliteQuery& query, int column) {
  S2P_ASSIGN_OR_RETURN(std::vector<float> embedding, query.Floats(column));
  S2P_ASSIGN_OR_RETURN(std::vector<float> attributes, query.Floats(column + 1));
  return CatalogueEmbedding{std::move(embedding), std::move(attributes)};
}

// Reads the item from the query's row, which begins with S2P_ITEM_COLUMNS.
absl::StatusOr<CatalogueItem> ReadItem(SqliteConnection* connection, const SqliteQuery& query) {
  auto item = std::make_shared<GalleryItem>();
  CatalogueItem result;
  result.key = query.Integer(0);
  item->photo_id = query.Text(1);
  item->modality = static_cast<v1::Modality>(query.Integer(2));
  item->sha256 = query.Text(3);
  item->bytes = static_cast<uint64_t>(query.Integer(4));
  item->content_type = query.Text(5);
  item->width = static_cast<int>(query.Integer(6));
  item->height = static_cast<int>(query.Integer(7));
  item->created_at = absl::FromUnixMicros(query.Integer(8));
  SqliteQuery metadata(connection, kSelectMetadata);
  metadata.Bind(result.key);
  for (;;) {
    S2P_ASSIGN_OR_RETURN(bool row, metadata.Next());
    if (!row) break;
    item->metadata.emplace(metadata.Text(0), metadata.Text(1));
  }
  result.item = std::move(item);
  return result;
}

absl::StatusOr<std::vector<CatalogueItem>> ReadItems(SqliteConnection* connection,
                                                     SqliteQuery* query) {
  std::vector<CatalogueItem> items;
  for (;;) {
    S2P_ASSIGN_OR_RETURN(bool row, query->Next());
    if (!row) return items;
    S2P_ASSIGN_OR_RETURN(CatalogueItem item, ReadItem(connection, *query));
    items.push_back(std::move(item));
  }
}

absl::Status VisitEmbeddings(
    SqliteConnection* connection, int64_t version, const std::function<void(int64_t)>& count,
    const std::function<absl::Status(CatalogueItem, CatalogueEmbedding)>& visit) {
  SqliteQuery counted(connection, kCountEmbeddings);
  absl::StatusOr<bool> row = counted.Bind(version).Next();
  if (!row.ok()) return row.status();
  count(counted.Integer(0));
  SqliteQuery list(connection, kListEmbeddings);
  list.Bind(version);
  for (;;) {
    row = list.Next();
    if (!row.ok() || !*row) return row.status();
    S2P_ASSIGN_OR_RETURN(CatalogueItem item, ReadItem(connection, list));
    S2P_ASSIGN_OR_RETURN(CatalogueEmbedding embedding, ReadEmbedding(list, kItemColumns));
    S2P_RETURN_IF_ERROR(visit(std::move(item), std::move(embedding)));
  }
}

}  // namespace

Catalogue::Transaction::~Transaction() {
  SqliteConnection* const connection = catalogue_.connection();
  // SQLite has already rolled back after some errors.
  if (committed_ || !connection->in_transaction()) return;
  catalogue_.stuck_ = !connection->Execute("ROLLBACK").ok();
}

absl::Status Catalogue::Transaction::Commit() {
  SqliteConnection* const connection = catalogue_.connection();
  if (!connection->in_transaction()) {
    return absl::InternalError(
        absl::StrCat(connection->path(), ": commit: the transaction was rolled back"));
  }
  absl::Status status = connection->Execute("COMMIT");
  committed_ = status.ok();
  return status;
}

Catalogue::Catalogue(std::unique_ptr<SqliteConnection> connection)
    : connection_(std::move(connection)) {}

Catalogue::~Catalogue() = default;

absl::StatusOr<std::unique_ptr<Catalogue>> Catalogue::Open(const std::string& path,
                                                           IfMissing if_missing) {
  absl::Status status = CheckFile(path);
  if (absl::IsNotFound(status) && if_missing == IfMissing::kCreate) status = CheckNoLog(path);
  if (!status.ok()) return status;
  S2P_ASSIGN_OR_RETURN(std::unique_ptr<SqliteConnection> connection,
                       SqliteConnection::Open(path, if_missing == IfMissing::kCreate));
  status = Identify(connection.get());
  const bool create = absl::IsNotFound(status) && if_missing == IfMissing::kCreate;
  if (!create && !status.ok()) return status;
  S2P_RETURN_IF_ERROR(Configure(connection.get()));
  auto catalogue = absl::WrapUnique(new Catalogue(std::move(connection)));
  S2P_RETURN_IF_ERROR(create ? catalogue->CreateSchema() : CheckPages(catalogue->connection()));
  return catalogue;
}

absl::StatusOr<std::unique_ptr<Catalogue>> Catalogue::OpenReader(const std::string& path) {
  S2P_ASSIGN_OR_RETURN(std::unique_ptr<SqliteConnection> connection,
                       SqliteConnection::Open(path, /*create=*/false));
  S2P_RETURN_IF_ERROR(Identify(connection.get()));
  S2P_RETURN_IF_ERROR(Configure(connection.get()));
  return absl::WrapUnique(new Catalogue(std::move(connection)));
}

absl::Status Catalogue::Copy(const std::string& from, const std::string& to) {
  for (const char* suffix : {"", "-wal", "-shm", "-journal"}) {
    std::error_code error;
    std::filesystem::remove(to + suffix, error);
    if (error) return FileError(error.value(), to, "remove");
  }
  S2P_ASSIGN_OR_RETURN(auto connection, SqliteConnection::Open(from, /*create=*/false));
  SqliteQuery query(connection.get(), "VACUUM INTO ?");
  query.Bind(absl::string_view(to));
  S2P_RETURN_IF_ERROR(query.Run());
  // The log has grown while it was copied, because nobody could fold in what the copy still read.
  S2P_RETURN_IF_ERROR(connection->EmptyLog().status());
  return SyncFile(to);
}

absl::StatusOr<std::unique_ptr<Catalogue::Transaction>> Catalogue::Begin() {
  if (stuck_) {
    S2P_RETURN_IF_ERROR(Reopen());
  }
  S2P_CHECK(!connection_->in_transaction());
  S2P_RETURN_IF_ERROR(connection_->Execute("BEGIN IMMEDIATE"));
  auto transaction = absl::WrapUnique(new Transaction(this));
  // SQLite would write to a file without a name as to any other.
  S2P_RETURN_IF_ERROR(connection_->CheckInPlace());
  return transaction;
}

absl::Status Catalogue::Reopen() {
  S2P_ASSIGN_OR_RETURN(std::unique_ptr<SqliteConnection> connection,
                       SqliteConnection::Open(connection_->path(), /*create=*/false));
  S2P_RETURN_IF_ERROR(Identify(connection.get()));
  S2P_RETURN_IF_ERROR(Configure(connection.get()));
  connection_ = std::move(connection);
  stuck_ = false;
  return absl::OkStatus();
}

absl::StatusOr<bool> Catalogue::EmptyLog() { return connection_->EmptyLog(); }

absl::Status Catalogue::Atomically(const std::function<absl::Status()>& work) {
  if (connection_->in_transaction()) return work();
  S2P_ASSIGN_OR_RETURN(std::unique_ptr<Transaction> transaction, Begin());
  S2P_RETURN_IF_ERROR(work());
  return transaction->Commit();
}

absl::Status Catalogue::CreateSchema() {
  return Atomically([this] {
    S2P_RETURN_IF_ERROR(connection_->Execute(kSchema));
    const std::string marks = absl::StrCat("PRAGMA application_id = ", kApplicationId,
                                           "; PRAGMA user_version = ", kCatalogueFormatVersion);
    return connection_->Execute(marks.c_str());
  });
}

absl::StatusOr<int64_t> Catalogue::Insert(const GalleryItem& item) {
  int64_t key = 0;
  const absl::Status inserted = Atomically([&] {
    SqliteQuery insert(connection(), kInsertItem);
    insert.Bind(item.photo_id).Bind(static_cast<int64_t>(item.modality)).Bind(item.sha256);
    insert.Bind(static_cast<int64_t>(item.bytes)).Bind(item.content_type);
    insert.Bind(static_cast<int64_t>(item.width)).Bind(static_cast<int64_t>(item.height));
    insert.Bind(absl::ToUnixMicros(item.created_at));
    S2P_RETURN_IF_ERROR(insert.Run());
    if (connection_->changes() == 0) {
      return absl::AlreadyExistsError(absl::StrCat("photo_id '", item.photo_id, "'"));
    }
    key = connection_->last_insert_key();
    return InsertMetadata(connection(), key, item.metadata);
  });
  if (!inserted.ok()) return inserted;
  return key;
}

absl::StatusOr<bool> Catalogue::Remove(const std::string& photo_id) {
  SqliteQuery remove(connection(), kDeleteItem);
  S2P_RETURN_IF_ERROR(remove.Bind(photo_id).Run());
  return connection_->changes() > 0;
}

absl::Status Catalogue::SetMetadata(const std::string& photo_id,
                                    const std::map<std::string, std::string>& metadata) {
  return Atomically([&] {
    S2P_ASSIGN_OR_RETURN(CatalogueItem found, Find(photo_id));
    SqliteQuery remove(connection(), kDeleteMetadata);
    S2P_RETURN_IF_ERROR(remove.Bind(found.key).Run());
    return InsertMetadata(connection(), found.key, metadata);
  });
}

absl::Status Catalogue::PutEmbedding(int64_t key, int64_t version,
                                     const CatalogueEmbedding& embedding) {
  SqliteQuery put(connection(), kPutEmbedding);
  put.Bind(version).BindFloats(embedding.embedding).BindFloats(embedding.attributes);
  return put.Bind(key).Run();
}

absl::StatusOr<CatalogueItem> Catalogue::Find(const std::string& photo_id) const {
  SqliteQuery find(connection(), kFindItem);
  S2P_ASSIGN_OR_RETURN(bool row, find.Bind(photo_id).Next());
  if (!row) return absl::NotFoundError(absl::StrCat("photo_id '", photo_id, "'"));
  return ReadItem(connection(), find);
}

absl::StatusOr<std::shared_ptr<const GalleryItem>> Catalogue::FindOrNull(
    const std::string& photo_id) const {
  absl::StatusOr<CatalogueItem> found = Find(photo_id);
  if (found.ok()) return found->item;
  if (absl::IsNotFound(found.status())) return std::shared_ptr<const GalleryItem>();
  return found.status();
}

absl::StatusOr<std::vector<CatalogueItem>> Catalogue::List(const std::string& after,
                                                           int limit) const {
  SqliteQuery list(connection(), kListItems);
  list.Bind(after).Bind(static_cast<int64_t>(limit));
  return ReadItems(connection(), &list);
}

absl::StatusOr<std::vector<CatalogueItem>> Catalogue::ListWithoutEmbedding(int64_t version,
                                                                           const std::string& after,
                                                                           int limit) const {
  SqliteQuery list(connection(), kListWithoutEmbedding);
  list.Bind(after).Bind(version).Bind(static_cast<int64_t>(limit));
  return ReadItems(connection(), &list);
}

absl::StatusOr<int64_t> Catalogue::CountWithoutEmbedding(int64_t version) const {
  SqliteQuery count(connection(), kCountWithoutEmbedding);
  S2P_RETURN_IF_ERROR(count.Bind(version).Next().status());
  return count.Integer(0);
}

absl::StatusOr<std::optional<CatalogueEmbedding>> Catalogue::FindEmbedding(int64_t key,
                                                                           int64_t version) const {
  SqliteQuery find(connection(), kFindEmbedding);
  S2P_ASSIGN_OR_RETURN(bool row, find.Bind(key).Bind(version).Next());
  if (!row) return std::optional<CatalogueEmbedding>();
  S2P_ASSIGN_OR_RETURN(CatalogueEmbedding embedding, ReadEmbedding(find, 0));
  return std::optional<CatalogueEmbedding>(std::move(embedding));
}

absl::Status Catalogue::ForEachEmbedding(
    int64_t version, const std::function<void(int64_t)>& count,
    const std::function<absl::Status(CatalogueItem, CatalogueEmbedding)>& visit) const {
  // Within a transaction all statements see the same commit.
  const bool own = !connection_->in_transaction();
  if (own) {
    S2P_RETURN_IF_ERROR(connection_->Execute("BEGIN"));
  }
  absl::Status status = VisitEmbeddings(connection(), version, count, visit);
  if (own) status.Update(connection_->Execute("COMMIT"));
  return status;
}

absl::StatusOr<bool> Catalogue::HasBlob(const std::string& sha256) const {
  SqliteQuery query(connection(), kHasBlob);
  return query.Bind(sha256).Next();
}

absl::StatusOr<int64_t> Catalogue::CountBlobs() const {
  SqliteQuery count(connection(), kCountBlobs);
  S2P_RETURN_IF_ERROR(count.Next().status());
  return count.Integer(0);
}

absl::StatusOr<GalleryTotals> Catalogue::Totals() const {
  SqliteQuery query(connection(), kTotals);
  S2P_RETURN_IF_ERROR(query.Bind(static_cast<int64_t>(v1::MODALITY_SKETCH)).Next().status());
  GalleryTotals totals;
  totals.sketches = static_cast<uint64_t>(query.Integer(1));
  totals.photos = static_cast<uint64_t>(query.Integer(0)) - totals.sketches;
  totals.bytes = static_cast<uint64_t>(query.Integer(2));
  return totals;
}

absl::Status Catalogue::NoteServing(int64_t version, int keep_versions) {
  return Atomically([&] {
    SqliteQuery note(connection(), kNoteServed);
    S2P_RETURN_IF_ERROR(note.Bind(version).Run());
    SqliteQuery forget(connection(), kForgetServed);
    return forget.Bind(static_cast<int64_t>(keep_versions)).Run();
  });
}

absl::StatusOr<int64_t> Catalogue::DropRetired(int64_t after, int64_t limit) {
  int64_t last = 0;
  {
    SqliteQuery query(connection(), kLastEmbedding);
    S2P_RETURN_IF_ERROR(query.Next().status());
    last = query.Integer(0);
  }
  const int64_t end = last - after > limit ? after + limit : last;
  S2P_RETURN_IF_ERROR(SqliteQuery(connection(), kDropRetired).Bind(after).Bind(end).Run());
  return end < last ? end : 0;
}

absl::StatusOr<std::set<int64_t>> Catalogue::ServedVersions() const {
  SqliteQuery query(connection(), kSelectServed);
  std::set<int64_t> versions;
  for (;;) {
    S2P_ASSIGN_OR_RETURN(bool row, query.Next());
    if (!row) return versions;
    versions.insert(query.Integer(0));
  }
}

absl::StatusOr<std::optional<int64_t>> Catalogue::PinnedVersion() const {
  SqliteQuery query(connection(), kSelectPin);
  S2P_ASSIGN_OR_RETURN(bool row, query.Next());
  if (!row) return std::optional<int64_t>();
  return std::optional<int64_t>(query.Integer(0));
}

absl::Status Catalogue::SetPinnedVersion(std::optional<int64_t> version) {
  if (!version.has_value()) return SqliteQuery(connection(), kDeletePin).Run();
  return SqliteQuery(connection(), kPutPin).Bind(*version).Run();
}

}  // namespace s2p
