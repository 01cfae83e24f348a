// Database files of ours: recognised, created, checked and copied. For the stores that keep one.
#ifndef S2P_SERVER_STORAGE_SQLITE_FILE_H_
#define S2P_SERVER_STORAGE_SQLITE_FILE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/storage/sqlite_query.h"

namespace s2p {

// The format of a store's file. A plain value; its texts live as long as the program.
struct SqliteFormat {
  // Distinguishes the file from those of other programs and other stores.
  int64_t application_id = 0;
  // The newest format that this program reads, from 1.
  int version = 1;
  // The statements that make an empty database one of this format.
  const char* schema = "";
  // Ends the sentence "FILE: is not ...": "a gallery's catalogue".
  const char* noun = "";
  // Statements that add what older programs of the same format do not know and leave alone; they
  // run whenever a file is opened, and change nothing where that is there.
  const char* additions = "";
};

// Opens a file and checks all of it. Deleted content is overwritten with zeros, and a write is
// synced before it returns. If the file is missing, empty or has no tables: creates it, or NotFound
// unless `create`. FailedPrecondition if the format is newer than this program, the file is of
// another kind, or only its write-ahead log exists; DataLoss if it is damaged.
absl::StatusOr<std::unique_ptr<SqliteConnection>> OpenSqliteFile(const std::string& path,
                                                                 const SqliteFormat& format,
                                                                 bool create);
// Opens another connection to a file that is already open: without the check of its pages.
absl::StatusOr<std::unique_ptr<SqliteConnection>> OpenSqliteFileAgain(const std::string& path,
                                                                      const SqliteFormat& format);

// Copies one commit of a file, which another process may be writing, to `to`, replacing any file
// there. The copy is synced.
absl::Status CopySqliteFile(const std::string& from, const std::string& to);

}  // namespace s2p

#endif  // S2P_SERVER_STORAGE_SQLITE_FILE_H_
