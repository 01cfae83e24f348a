#include "server/storage/sqlite_file.h"

#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/file.h"

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

// OK if this program can read the database. NotFound if it is empty; FailedPrecondition as
// OpenSqliteFile. Changes nothing.
absl::Status Identify(SqliteConnection* connection, const SqliteFormat& format) {
  S2P_ASSIGN_OR_RETURN(int64_t application, Pragma(connection, "PRAGMA application_id"));
  S2P_ASSIGN_OR_RETURN(int64_t version, Pragma(connection, "PRAGMA user_version"));
  S2P_ASSIGN_OR_RETURN(int64_t tables, Pragma(connection, "SELECT COUNT(*) FROM sqlite_master"));
  if (application == 0 && version == 0 && tables == 0) {
    return absl::NotFoundError(absl::StrCat(connection->path(), ": is empty"));
  }
  if (application != format.application_id || version < 1) {
    return absl::FailedPreconditionError(
        absl::StrCat(connection->path(), ": is not ", format.noun));
  }
  if (version > format.version) {
    return absl::FailedPreconditionError(
        absl::StrCat(connection->path(), ": format version ", version,
                     " is newer than this program, which reads ", format.version));
  }
  return absl::OkStatus();
}

absl::Status CheckPages(SqliteConnection* connection) {
  SqliteQuery check(connection, "PRAGMA quick_check(1)");
  S2P_ASSIGN_OR_RETURN(bool row, check.Next());
  if (row && check.Text(0) == "ok") return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(connection->path(), ": damaged: ", check.Text(0)));
}

// In one transaction, which an error rolls back with the end of the connection.
absl::Status CreateSchema(SqliteConnection* connection, const SqliteFormat& format) {
  S2P_RETURN_IF_ERROR(connection->Execute("BEGIN IMMEDIATE"));
  S2P_RETURN_IF_ERROR(connection->Execute(format.schema));
  const std::string marks = absl::StrCat("PRAGMA application_id = ", format.application_id,
                                         "; PRAGMA user_version = ", format.version);
  S2P_RETURN_IF_ERROR(connection->Execute(marks.c_str()));
  return connection->Execute("COMMIT");
}

}  // namespace

absl::StatusOr<std::unique_ptr<SqliteConnection>> OpenSqliteFile(const std::string& path,
                                                                 const SqliteFormat& format,
                                                                 bool create) {
  absl::Status status = CheckFile(path);
  if (absl::IsNotFound(status) && create) status = CheckNoLog(path);
  if (!status.ok()) return status;
  S2P_ASSIGN_OR_RETURN(auto connection, SqliteConnection::Open(path, create));
  status = Identify(connection.get(), format);
  const bool is_new = absl::IsNotFound(status) && create;
  if (!is_new && !status.ok()) return status;
  S2P_RETURN_IF_ERROR(Configure(connection.get()));
  S2P_RETURN_IF_ERROR(is_new ? CreateSchema(connection.get(), format)
                             : CheckPages(connection.get()));
  S2P_RETURN_IF_ERROR(connection->Execute(format.additions));
  return connection;
}

absl::StatusOr<std::unique_ptr<SqliteConnection>> OpenSqliteFileAgain(const std::string& path,
                                                                      const SqliteFormat& format) {
  S2P_ASSIGN_OR_RETURN(auto connection, SqliteConnection::Open(path, /*create=*/false));
  S2P_RETURN_IF_ERROR(Identify(connection.get(), format));
  S2P_RETURN_IF_ERROR(Configure(connection.get()));
  S2P_RETURN_IF_ERROR(connection->Execute(format.additions));
  return connection;
}

absl::Status CopySqliteFile(const std::string& from, const std::string& to) {
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

}  // namespace s2p
