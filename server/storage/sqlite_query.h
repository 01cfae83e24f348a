// Connections to SQLite's files, and prepared statements. For the stores that keep such a file.
#ifndef S2P_SERVER_STORAGE_SQLITE_QUERY_H_
#define S2P_SERVER_STORAGE_SQLITE_QUERY_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

struct sqlite3;
struct sqlite3_stmt;

namespace s2p {

// An open database. Thread-compatible.
class SqliteConnection {
 public:
  // Creates the file if `create`; else the file must exist.
  static absl::StatusOr<std::unique_ptr<SqliteConnection>> Open(const std::string& path,
                                                                bool create);
  ~SqliteConnection();
  SqliteConnection(const SqliteConnection&) = delete;
  SqliteConnection& operator=(const SqliteConnection&) = delete;

  // Translates SQLite's result code: OK, ResourceExhausted for a full disk, DataLoss for a damaged
  // file, PermissionDenied for one that cannot be written, else Internal.
  absl::Status ToStatus(int result_code, absl::string_view what) const;
  // Runs statements without parameters or results, separated by semicolons.
  absl::Status Execute(const char* sql);
  bool in_transaction() const;
  // OK if the open file and its write-ahead log are still what their names stand for; Internal if
  // one was deleted, moved or replaced, so that what is written would be lost. Requires a
  // transaction, which has opened the log.
  absl::Status CheckInPlace() const;
  // Folds the write-ahead log into the file and truncates it. False if another connection is in the
  // way, which it never waits for.
  absl::StatusOr<bool> EmptyLog();
  // The number of rows that the last INSERT, UPDATE or DELETE changed.
  int64_t changes() const;
  int64_t last_insert_key() const;
  const std::string& path() const { return path_; }

 private:
  friend class SqliteQuery;
  SqliteConnection(sqlite3* database, std::string path)
      : database_(database), path_(std::move(path)) {}
  // Prepares a statement on first use, then keeps it.
  absl::StatusOr<sqlite3_stmt*> Prepared(const char* sql);

  sqlite3* const database_;
  const std::string path_;
  std::map<std::string, sqlite3_stmt*> statements_;
};

// One run of a statement: bind the parameters in order, then call Run, or Next while there are
// rows. The first error is kept until Next or Run returns it. Runs of one statement must not
// overlap. Thread-compatible.
class SqliteQuery {
 public:
  SqliteQuery(SqliteConnection* connection, const char* sql);
  ~SqliteQuery();
  SqliteQuery(const SqliteQuery&) = delete;
  SqliteQuery& operator=(const SqliteQuery&) = delete;

  // Texts, bytes and floats are borrowed for the life of the query.
  SqliteQuery& Bind(int64_t value);
  SqliteQuery& Bind(absl::string_view text);
  SqliteQuery& BindBytes(absl::string_view bytes);
  SqliteQuery& BindFloats(absl::Span<const float> values);

  // True if there is a row to read; false after the last.
  absl::StatusOr<bool> Next();
  // Runs a statement without results.
  absl::Status Run();

  // Values of the current row.
  int64_t Integer(int column) const;
  std::string Text(int column) const;
  std::string Bytes(int column) const;
  // DataLoss if the blob is not a whole number of floats.
  absl::StatusOr<std::vector<float>> Floats(int column) const;

 private:
  void Note(int result_code);

  SqliteConnection* const connection_;
  const char* const sql_;
  sqlite3_stmt* statement_ = nullptr;
  int parameters_ = 0;
  absl::Status status_;
};

}  // namespace s2p

#endif  // S2P_SERVER_STORAGE_SQLITE_QUERY_H_
