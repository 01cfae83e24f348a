#include "server/storage/sqlite_query.h"

#include <sqlite3.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"

namespace s2p {
namespace {

// The time that a connection waits for another one at the rare moments when they exclude each
// other, such as the recovery of a write-ahead log.
constexpr int kBusyTimeoutMilliseconds = 10'000;

// SQLite recognises a full disk (ENOSPC), but not a quota or a file size limit.
bool IsDiskFull(int result_code, int error_number) {
  const int primary = result_code & 0xff;
  if (primary == SQLITE_FULL) return true;
  return primary == SQLITE_IOERR &&
         (error_number == ENOSPC || error_number == EDQUOT || error_number == EFBIG);
}

}  // namespace

absl::StatusOr<std::unique_ptr<SqliteConnection>> SqliteConnection::Open(const std::string& path,
                                                                         bool create) {
  sqlite3* database = nullptr;
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | (create ? SQLITE_OPEN_CREATE : 0);
  const int code = sqlite3_open_v2(path.c_str(), &database, flags, nullptr);
  if (database == nullptr) {
    return absl::ResourceExhaustedError(absl::StrCat(path, ": open: out of memory"));
  }
  // Even a connection that failed to open must be closed.
  std::unique_ptr<SqliteConnection> connection(new SqliteConnection(database, path));
  if (code != SQLITE_OK) return connection->ToStatus(code, "open");
  sqlite3_extended_result_codes(database, 1);
  sqlite3_busy_timeout(database, kBusyTimeoutMilliseconds);
  return connection;
}

SqliteConnection::~SqliteConnection() {
  for (auto& [sql, statement] : statements_) sqlite3_finalize(statement);
  sqlite3_close(database_);
}

absl::Status SqliteConnection::ToStatus(int result_code, absl::string_view what) const {
  // Read first, because later calls may change it. (A failed commit does not set
  // sqlite3_system_errno.)
  const int error_number = errno;
  if (result_code == SQLITE_OK) return absl::OkStatus();
  const std::string message =
      absl::StrCat(path_, ": ", what, ": ", sqlite3_errmsg(database_), " (", result_code,
                   ", system error ", sqlite3_system_errno(database_), ")");
  if (IsDiskFull(result_code, error_number)) {
    return absl::ResourceExhaustedError(message);
  }
  if ((result_code & 0xff) == SQLITE_IOERR && error_number == EROFS) {
    return absl::PermissionDeniedError(message);
  }
  // SQLite calls a file malformed that the disk fails to read.
  if ((result_code & 0xff) == SQLITE_CORRUPT && error_number == EIO) {
    return absl::InternalError(absl::StrCat(message, ": ", std::strerror(EIO)));
  }
  switch (result_code & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return absl::DataLossError(message);
    case SQLITE_NOMEM:
      return absl::ResourceExhaustedError(message);
    case SQLITE_PERM:
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
      return absl::PermissionDeniedError(message);
    default:
      return absl::InternalError(message);
  }
}

absl::Status SqliteConnection::Execute(const char* sql) {
  errno = 0;
  return ToStatus(sqlite3_exec(database_, sql, nullptr, nullptr, nullptr), sql);
}

absl::StatusOr<bool> SqliteConnection::EmptyLog() {
  errno = 0;
  sqlite3_busy_timeout(database_, 0);
  const int code = sqlite3_wal_checkpoint_v2(database_, /*zDb=*/nullptr, SQLITE_CHECKPOINT_TRUNCATE,
                                             /*pnLog=*/nullptr, /*pnCkpt=*/nullptr);
  const absl::Status status = ToStatus(code, "empty the log");
  sqlite3_busy_timeout(database_, kBusyTimeoutMilliseconds);
  if ((code & 0xff) == SQLITE_BUSY || (code & 0xff) == SQLITE_LOCKED) return false;
  if (!status.ok()) return status;
  return true;
}

absl::Status SqliteConnection::CheckInPlace() const {
  int moved = 0;
  const int code = sqlite3_file_control(database_, "main", SQLITE_FCNTL_HAS_MOVED, &moved);
  if (code != SQLITE_OK) return ToStatus(code, "look at the file");
  const std::string log = path_ + "-wal";
  const bool has_log = access(log.c_str(), F_OK) == 0;
  if (moved == 0 && has_log) return absl::OkStatus();
  return absl::InternalError(
      absl::StrCat(moved == 0 ? log : path_, ": was deleted, moved or replaced while it was open"));
}

bool SqliteConnection::in_transaction() const { return sqlite3_get_autocommit(database_) == 0; }

int64_t SqliteConnection::changes() const { return sqlite3_changes(database_); }

int64_t SqliteConnection::last_insert_key() const { return sqlite3_last_insert_rowid(database_); }

absl::StatusOr<sqlite3_stmt*> SqliteConnection::Prepared(const char* sql) {
  auto found = statements_.find(sql);
  if (found != statements_.end()) return found->second;
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v3(database_, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement,
                                      /*pzTail=*/nullptr);
  if (code != SQLITE_OK) return ToStatus(code, sql);
  statements_.emplace(sql, statement);
  return statement;
}

SqliteQuery::SqliteQuery(SqliteConnection* connection, const char* sql)
    : connection_(connection), sql_(sql) {
  absl::StatusOr<sqlite3_stmt*> statement = connection->Prepared(sql);
  if (statement.ok()) {
    statement_ = *statement;
    S2P_CHECK(sqlite3_stmt_busy(statement_) == 0);
  } else {
    status_ = statement.status();
  }
}

SqliteQuery::~SqliteQuery() {
  if (statement_ == nullptr) return;
  // Reports the error of the last step again, which Next has already returned.
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

void SqliteQuery::Note(int result_code) {
  if (status_.ok() && result_code != SQLITE_OK) status_ = connection_->ToStatus(result_code, sql_);
}

SqliteQuery& SqliteQuery::Bind(int64_t value) {
  if (statement_ != nullptr) Note(sqlite3_bind_int64(statement_, ++parameters_, value));
  return *this;
}

SqliteQuery& SqliteQuery::Bind(absl::string_view text) {
  // A null pointer would bind NULL instead of the empty text.
  const char* const bytes = text.empty() ? "" : text.data();
  if (statement_ != nullptr) {
    Note(sqlite3_bind_text64(statement_, ++parameters_, bytes, text.size(), SQLITE_STATIC,
                             SQLITE_UTF8));
  }
  return *this;
}

SqliteQuery& SqliteQuery::BindBytes(absl::string_view bytes) {
  const void* const data = bytes.empty() ? "" : bytes.data();
  if (statement_ != nullptr) {
    Note(sqlite3_bind_blob64(statement_, ++parameters_, data, bytes.size(), SQLITE_STATIC));
  }
  return *this;
}

SqliteQuery& SqliteQuery::BindFloats(absl::Span<const float> values) {
  const void* const bytes = values.empty() ? static_cast<const void*>("") : values.data();
  if (statement_ != nullptr) {
    Note(sqlite3_bind_blob64(statement_, ++parameters_, bytes, values.size() * sizeof(float),
                             SQLITE_STATIC));
  }
  return *this;
}

absl::StatusOr<bool> SqliteQuery::Next() {
  if (!status_.ok()) return status_;
  errno = 0;
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  Note(code);
  return status_;
}

absl::Status SqliteQuery::Run() {
  absl::StatusOr<bool> row = Next();
  while (row.ok() && *row) row = Next();
  return row.status();
}

int64_t SqliteQuery::Integer(int column) const { return sqlite3_column_int64(statement_, column); }

std::string SqliteQuery::Text(int column) const {
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
  if (text == nullptr) return "";
  return std::string(text, static_cast<size_t>(sqlite3_column_bytes(statement_, column)));
}

std::string SqliteQuery::Bytes(int column) const {
  const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement_, column));
  if (bytes == nullptr) return "";
  return std::string(bytes, static_cast<size_t>(sqlite3_column_bytes(statement_, column)));
}

absl::StatusOr<std::vector<float>> SqliteQuery::Floats(int column) const {
  const void* const bytes = sqlite3_column_blob(statement_, column);
  const size_t size = static_cast<size_t>(sqlite3_column_bytes(statement_, column));
  if (size % sizeof(float) != 0) {
    return absl::DataLossError(absl::StrCat(connection_->path(), ": a vector of ", size,
                                            " bytes, which are not whole floats"));
  }
  std::vector<float> values(size / sizeof(float));
  if (size > 0) std::memcpy(values.data(), bytes, size);
  return values;
}

}  // namespace s2p
