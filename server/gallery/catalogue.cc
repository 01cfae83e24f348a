#include "server/gallery/catalogue.h"

#include <string>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "server/gallery/catalogue_sql.h"
#include "server/storage/sqlite_file.h"
#include "server/storage/sqlite_query.h"

namespace s2p {
namespace {

constexpr SqliteFormat kFormat = {kApplicationId, kCatalogueFormatVersion, kSchema,
                                  "a gallery's catalogue", kAdditions};

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

// Numbers of a colour in the catalogue.
constexpr size_t kColourNumbers = 4;

absl::StatusOr<std::vector<ColourShare>> ReadColours(SqliteConnection* connection, int64_t key) {
  SqliteQuery query(connection, kSelectColours);
  S2P_ASSIGN_OR_RETURN(bool row, query.Bind(key).Bind(int64_t{kDominantColoursMethod}).Next());
  std::vector<ColourShare> colours;
  if (!row) return colours;
  S2P_ASSIGN_OR_RETURN(const std::vector<float> numbers, query.Floats(0));
  if (numbers.size() % kColourNumbers != 0) {
    return absl::DataLossError(
        absl::StrCat(connection->path(), ": the colours of item ", key, " are damaged"));
  }
  for (size_t i = 0; i < numbers.size(); i += kColourNumbers) {
    colours.push_back({{numbers[i], numbers[i + 1], numbers[i + 2]}, numbers[i + 3]});
  }
  return colours;
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
  S2P_ASSIGN_OR_RETURN(item->colours, ReadColours(connection, result.key));
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
  S2P_ASSIGN_OR_RETURN(std::unique_ptr<SqliteConnection> connection,
                       OpenSqliteFile(path, kFormat, /*create=*/if_missing == IfMissing::kCreate));
  return absl::WrapUnique(new Catalogue(std::move(connection)));
}

absl::StatusOr<std::unique_ptr<Catalogue>> Catalogue::OpenReader(const std::string& path) {
  S2P_ASSIGN_OR_RETURN(std::unique_ptr<SqliteConnection> connection,
                       OpenSqliteFileAgain(path, kFormat));
  return absl::WrapUnique(new Catalogue(std::move(connection)));
}

absl::Status Catalogue::Copy(const std::string& from, const std::string& to) {
  return CopySqliteFile(from, to);
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
  S2P_ASSIGN_OR_RETURN(connection_, OpenSqliteFileAgain(connection_->path(), kFormat));
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
    if (!item.colours.empty()) {
      S2P_RETURN_IF_ERROR(PutColours(key, item.colours));
    }
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

absl::Status Catalogue::PutColours(int64_t key, absl::Span<const ColourShare> colours) {
  std::vector<float> numbers;
  for (const auto& [colour, share] : colours) {
    numbers.insert(numbers.end(), {colour.l, colour.a, colour.b, share});
  }
  SqliteQuery put(connection(), kPutColours);
  return put.Bind(int64_t{kDominantColoursMethod}).BindFloats(numbers).Bind(key).Run();
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

absl::StatusOr<bool> Catalogue::HasEmbeddings(int64_t version) const {
  SqliteQuery any(connection(), kAnyEmbedding);
  return any.Bind(version).Next();
}

absl::StatusOr<std::vector<CatalogueItem>> Catalogue::ListWithoutColours(const std::string& after,
                                                                         int limit) const {
  SqliteQuery list(connection(), kListWithoutColours);
  list.Bind(after).Bind(static_cast<int64_t>(v1::MODALITY_PHOTO));
  list.Bind(int64_t{kDominantColoursMethod}).Bind(static_cast<int64_t>(limit));
  return ReadItems(connection(), &list);
}

absl::StatusOr<int64_t> Catalogue::CountWithoutColours() const {
  SqliteQuery count(connection(), kCountWithoutColours);
  count.Bind(static_cast<int64_t>(v1::MODALITY_PHOTO)).Bind(int64_t{kDominantColoursMethod});
  S2P_RETURN_IF_ERROR(count.Next().status());
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

absl::StatusOr<std::optional<JournalPosition>> Catalogue::FindJournalPosition() const {
  SqliteQuery query(connection(), kSelectJournalPosition);
  S2P_ASSIGN_OR_RETURN(bool row, query.Next());
  if (!row) return std::optional<JournalPosition>();
  return std::optional<JournalPosition>(
      {static_cast<uint64_t>(query.Integer(0)), query.Integer(1)});
}

absl::Status Catalogue::SetJournalPosition(const JournalPosition& position) {
  SqliteQuery put(connection(), kPutJournalPosition);
  return put.Bind(static_cast<int64_t>(position.history)).Bind(position.write).Run();
}

}  // namespace s2p
