#include "server/feedback/feedback_store.h"

#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "daemon/log.h"
#include "server/feedback/feedback_sql.h"
#include "server/storage/sqlite_file.h"
#include "server/storage/sqlite_query.h"

namespace s2p {
namespace {

namespace sql = feedback_sql;

// "s2pf".
constexpr SqliteFormat kFormat = {0x73327066, kFeedbackFormatVersion, sql::kSchema,
                                  "a store of feedback"};

int64_t Micros(absl::Time time) {
  return time == absl::InfinitePast() ? 0 : absl::ToUnixMicros(time);
}

absl::Time TimeOf(int64_t micros) {
  return micros == 0 ? absl::InfinitePast() : absl::FromUnixMicros(micros);
}

// The entry in the query's row.
StoredFeedback ReadRow(const SqliteQuery& query) {
  StoredFeedback stored;
  FeedbackRecord& record = stored.record;
  stored.place = query.Integer(0);
  record.feedback_id = query.Text(1);
  record.digest = query.Text(2);
  record.photo_id = query.Text(3);
  record.photo_sha256 = query.Text(4);
  record.verdict = static_cast<Verdict>(query.Integer(5));
  record.state = static_cast<FeedbackState>(query.Integer(6));
  record.recorded_by = query.Text(7);
  record.recorded_at = TimeOf(query.Integer(8));
  record.reviewed_at = TimeOf(query.Integer(9));
  record.sketch_width = static_cast<int>(query.Integer(10));
  record.sketch_height = static_cast<int>(query.Integer(11));
  record.sketch_bytes = static_cast<uint64_t>(query.Integer(12));
  return stored;
}

absl::StatusOr<std::vector<StoredFeedback>> ReadRows(SqliteQuery& query) {
  std::vector<StoredFeedback> rows;
  for (;;) {
    S2P_ASSIGN_OR_RETURN(const bool row, query.Next());
    if (!row) return rows;
    rows.push_back(ReadRow(query));
  }
}

uint64_t BytesOf(uint64_t sketch_bytes) { return sketch_bytes + kEntryBytes; }

// The count of the entries in this state.
uint64_t& CountOf(FeedbackState state, FeedbackTotals& totals) {
  switch (state) {
    case FeedbackState::kAccepted:
      return totals.accepted;
    case FeedbackState::kRejected:
      return totals.rejected;
    case FeedbackState::kPending:
      break;
  }
  return totals.pending;
}

// The description that a store has of itself.
struct StoreRow {
  std::string id;
  std::string data_set;
};

absl::StatusOr<StoreRow> ReadStoreRow(SqliteConnection* connection) {
  SqliteQuery query(connection, sql::kStore);
  S2P_ASSIGN_OR_RETURN(const bool row, query.Next());
  if (!row) return absl::DataLossError(absl::StrCat(connection->path(), ": has no id"));
  return StoreRow{query.Text(0), query.Text(1)};
}

absl::StatusOr<FeedbackTotals> CountIn(SqliteConnection* connection) {
  FeedbackTotals totals;
  SqliteQuery query(connection, sql::kTotals);
  for (;;) {
    S2P_ASSIGN_OR_RETURN(const bool row, query.Next());
    if (!row) return totals;
    const auto count = static_cast<uint64_t>(query.Integer(1));
    totals.bytes += static_cast<uint64_t>(query.Integer(2)) + count * kEntryBytes;
    CountOf(static_cast<FeedbackState>(query.Integer(0)), totals) += count;
  }
}

absl::Status Unknown(const std::string& feedback_id) {
  return absl::NotFoundError(absl::StrCat("feedback_id '", feedback_id, "'"));
}

}  // namespace

absl::StatusOr<std::unique_ptr<FeedbackStore>> FeedbackStore::Open(const std::string& path) {
  S2P_ASSIGN_OR_RETURN(auto connection, OpenSqliteFile(path, kFormat, /*create=*/true));
  S2P_ASSIGN_OR_RETURN(auto row, ReadStoreRow(connection.get()));
  const absl::Status indexed = connection->Execute(sql::kIndexMatches);
  if (!indexed.ok()) {
    LogWarning(
        "accepted matches of feedback have no index, and are found slowly until a start can "
        "make it",
        {{"file", path}, {"reason", indexed}});
  }
  auto store = absl::WrapUnique(new FeedbackStore(std::move(connection), std::move(row.id)));
  absl::MutexLock lock(&store->mutex_);
  store->data_set_ = std::move(row.data_set);
  S2P_ASSIGN_OR_RETURN(store->totals_, CountIn(store->connection_.get()));
  // A killed server leaves in the log what was removed last.
  store->log_due_ = true;
  store->EmptyLog();
  return store;
}

FeedbackStore::FeedbackStore(std::unique_ptr<SqliteConnection> connection, std::string id)
    : id_(std::move(id)), connection_(std::move(connection)) {}

FeedbackStore::~FeedbackStore() = default;

absl::Status FeedbackStore::Atomically(const std::function<absl::Status()>& work) {
  if (stuck_) {
    // Closing the file rolls back.
    S2P_ASSIGN_OR_RETURN(connection_, OpenSqliteFileAgain(connection_->path(), kFormat));
    stuck_ = false;
  }
  S2P_RETURN_IF_ERROR(connection_->Execute("BEGIN IMMEDIATE"));
  absl::Status status = work();
  if (status.ok()) status = connection_->Execute("COMMIT");
  // SQLite has already rolled back after some errors.
  if (!status.ok() && connection_->in_transaction()) {
    stuck_ = !connection_->Execute("ROLLBACK").ok();
  }
  return status;
}

absl::StatusOr<std::optional<StoredFeedback>> FeedbackStore::FindBy(const char* sql,
                                                                    const std::string& text) const {
  SqliteQuery query(connection_.get(), sql);
  S2P_ASSIGN_OR_RETURN(const bool row, query.Bind(text).Next());
  if (!row) return std::optional<StoredFeedback>();
  return std::optional<StoredFeedback>(ReadRow(query));
}

absl::StatusOr<FeedbackStore::Inserted> FeedbackStore::Insert(const FeedbackRecord& record,
                                                              absl::string_view sketch,
                                                              uint64_t most_bytes,
                                                              const std::string& opposite_digest) {
  absl::MutexLock lock(&mutex_);
  Inserted inserted;
  inserted.record = record;
  FeedbackTotals totals = totals_;
  S2P_RETURN_IF_ERROR(Atomically([&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    S2P_ASSIGN_OR_RETURN(const auto opposite, FindBy(sql::kFindByDigest, opposite_digest));
    if (opposite.has_value() && opposite->record.state == FeedbackState::kPending &&
        opposite->record.recorded_by == record.recorded_by) {
      S2P_RETURN_IF_ERROR(RemoveEntry(opposite->record, totals));
      inserted.replaced = true;
    }
    S2P_ASSIGN_OR_RETURN(const auto same, FindBy(sql::kFindByDigest, record.digest));
    if (same.has_value()) {
      inserted.record = same->record;
      return absl::OkStatus();
    }
    S2P_ASSIGN_OR_RETURN(const auto other, FindBy(sql::kFindById, record.feedback_id));
    if (other.has_value()) {
      return absl::AlreadyExistsError(absl::StrCat(
          "feedback_id '", record.feedback_id, "' belongs to another drawing, photo or verdict"));
    }
    if (totals.bytes + BytesOf(sketch.size()) > most_bytes) {
      return absl::OutOfRangeError("the store keeps as many drawings as it may");
    }
    inserted.is_new = true;
    return AddEntry(inserted.record, sketch, totals);
  }));
  totals_ = totals;
  log_due_ = log_due_ || inserted.replaced;
  if (inserted.is_new || inserted.replaced) EmptyLog();
  return inserted;
}

absl::Status FeedbackStore::AddEntry(FeedbackRecord& record, absl::string_view sketch,
                                     FeedbackTotals& totals) {
  record.sketch_bytes = sketch.size();
  totals.bytes += BytesOf(sketch.size());
  ++CountOf(record.state, totals);
  SqliteQuery insert(connection_.get(), sql::kInsert);
  insert.Bind(record.feedback_id).Bind(record.digest).Bind(record.photo_id);
  insert.Bind(record.photo_sha256).Bind(static_cast<int64_t>(record.verdict));
  insert.Bind(static_cast<int64_t>(record.state)).Bind(record.recorded_by);
  insert.Bind(Micros(record.recorded_at)).Bind(Micros(record.reviewed_at));
  insert.Bind(int64_t{record.sketch_width}).Bind(int64_t{record.sketch_height});
  insert.Bind(static_cast<int64_t>(sketch.size())).BindBytes(sketch);
  return insert.Run();
}

absl::Status FeedbackStore::RemoveEntry(const FeedbackRecord& record, FeedbackTotals& totals) {
  --CountOf(record.state, totals);
  totals.bytes -= BytesOf(record.sketch_bytes);
  return SqliteQuery(connection_.get(), sql::kRemove).Bind(record.feedback_id).Run();
}

absl::StatusOr<std::vector<bool>> FeedbackStore::ForEachEntry(
    absl::Span<const std::string> feedback_ids,
    const std::function<absl::Status(const FeedbackRecord& record)>& run) {
  std::vector<bool> found;
  S2P_RETURN_IF_ERROR(Atomically([&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    for (const std::string& feedback_id : feedback_ids) {
      S2P_ASSIGN_OR_RETURN(const auto entry, FindBy(sql::kFindById, feedback_id));
      found.push_back(entry.has_value());
      if (!entry.has_value()) continue;
      S2P_RETURN_IF_ERROR(run(entry->record));
    }
    return absl::OkStatus();
  }));
  return found;
}

absl::StatusOr<FeedbackStore::Reviewed> FeedbackStore::SetState(
    absl::Span<const std::string> feedback_ids, FeedbackState state, absl::Time reviewed_at) {
  if (state == FeedbackState::kPending) reviewed_at = absl::InfinitePast();
  absl::MutexLock lock(&mutex_);
  Reviewed reviewed;
  FeedbackTotals totals = totals_;
  const auto set_state = [&](const FeedbackRecord& record) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    --CountOf(record.state, totals);
    ++CountOf(state, totals);
    FeedbackRecord after = record;
    after.state = state;
    if (IsAcceptedMatch(record) != IsAcceptedMatch(after)) reviewed.matches_changed = true;
    SqliteQuery set(connection_.get(), sql::kSetState);
    set.Bind(static_cast<int64_t>(state)).Bind(Micros(reviewed_at));
    return set.Bind(record.feedback_id).Run();
  };
  S2P_ASSIGN_OR_RETURN(reviewed.found, ForEachEntry(feedback_ids, set_state));
  totals_ = totals;
  EmptyLog();
  return reviewed;
}

absl::StatusOr<std::vector<bool>> FeedbackStore::Remove(
    absl::Span<const std::string> feedback_ids) {
  absl::MutexLock lock(&mutex_);
  FeedbackTotals totals = totals_;
  const auto remove = [&](const FeedbackRecord& record) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return RemoveEntry(record, totals);
  };
  S2P_ASSIGN_OR_RETURN(auto found, ForEachEntry(feedback_ids, remove));
  totals_ = totals;
  log_due_ = true;
  EmptyLog();
  return found;
}

void FeedbackStore::EmptyLog() {
  if (!log_due_) return;
  const absl::StatusOr<bool> emptied = connection_->EmptyLog();
  log_due_ = !emptied.ok() || !*emptied;
  // A reader in the way tells nothing of an earlier error.
  if (!emptied.ok() || *emptied) log_status_ = emptied.status();
}

void FeedbackStore::Erase() {
  absl::MutexLock lock(&mutex_);
  EmptyLog();
}

absl::Status FeedbackStore::CheckErased() const {
  absl::MutexLock lock(&mutex_);
  return log_status_;
}

absl::StatusOr<FeedbackRecord> FeedbackStore::Find(const std::string& feedback_id) const {
  absl::MutexLock lock(&mutex_);
  S2P_ASSIGN_OR_RETURN(auto found, FindBy(sql::kFindById, feedback_id));
  if (!found.has_value()) return Unknown(feedback_id);
  return std::move(found->record);
}

absl::StatusOr<std::string> FeedbackStore::ReadSketch(const std::string& feedback_id) const {
  absl::MutexLock lock(&mutex_);
  SqliteQuery query(connection_.get(), sql::kSketch);
  S2P_ASSIGN_OR_RETURN(const bool row, query.Bind(feedback_id).Next());
  if (!row) return Unknown(feedback_id);
  return query.Bytes(0);
}

absl::StatusOr<std::vector<StoredFeedback>> FeedbackStore::List(const FeedbackFilter& filter,
                                                                int64_t after, int limit) const {
  absl::MutexLock lock(&mutex_);
  SqliteQuery query(connection_.get(), filter.state.has_value() ? sql::kListState : sql::kListAll);
  query.Bind(after).Bind(filter.recorded_by).Bind(int64_t{limit});
  if (filter.state.has_value()) query.Bind(static_cast<int64_t>(*filter.state));
  return ReadRows(query);
}

absl::StatusOr<std::vector<StoredFeedback>> FeedbackStore::ListMatches(const std::string& photo_id,
                                                                       int64_t place,
                                                                       int limit) const {
  absl::MutexLock lock(&mutex_);
  SqliteQuery query(connection_.get(), sql::kListMatches);
  query.Bind(photo_id).Bind(place).Bind(int64_t{limit});
  return ReadRows(query);
}

absl::StatusOr<bool> FeedbackStore::HasMatch(const char* sql,
                                             absl::Span<const std::string> ids) const {
  for (const std::string& id : ids) {
    // Others get their turn between the ids.
    absl::MutexLock lock(&mutex_);
    if (totals_.accepted == 0) return false;
    SqliteQuery query(connection_.get(), sql);
    S2P_ASSIGN_OR_RETURN(const bool row, query.Bind(id).Next());
    if (row) return true;
  }
  return false;
}

absl::StatusOr<bool> FeedbackStore::HasMatchOf(absl::Span<const std::string> photo_ids) const {
  return HasMatch(sql::kHasMatchOf, photo_ids);
}

absl::StatusOr<bool> FeedbackStore::HasMatchAmong(
    absl::Span<const std::string> feedback_ids) const {
  return HasMatch(sql::kIsMatch, feedback_ids);
}

std::string FeedbackStore::data_set() const {
  absl::MutexLock lock(&mutex_);
  return data_set_;
}

absl::Status FeedbackStore::SetDataSet(const std::string& folder) {
  absl::MutexLock lock(&mutex_);
  S2P_RETURN_IF_ERROR(Atomically([&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return SqliteQuery(connection_.get(), sql::kSetDataSet).Bind(folder).Run();
  }));
  data_set_ = folder;
  return absl::OkStatus();
}

FeedbackTotals FeedbackStore::Totals() const {
  absl::MutexLock lock(&mutex_);
  return totals_;
}

absl::StatusOr<std::string> FeedbackDataSetOf(const std::string& path) {
  S2P_ASSIGN_OR_RETURN(const auto connection, OpenSqliteFileAgain(path, kFormat));
  S2P_ASSIGN_OR_RETURN(auto row, ReadStoreRow(connection.get()));
  return std::move(row.data_set);
}

absl::StatusOr<FeedbackTotals> CheckFeedbackFile(const std::string& path) {
  S2P_ASSIGN_OR_RETURN(const auto connection, OpenSqliteFile(path, kFormat, /*create=*/false));
  S2P_RETURN_IF_ERROR(ReadStoreRow(connection.get()).status());
  return CountIn(connection.get());
}

absl::Status CopyFeedback(const std::string& from, const std::string& to) {
  return CopySqliteFile(from, to);
}

}  // namespace s2p
