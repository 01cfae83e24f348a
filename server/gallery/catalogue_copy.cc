#include <filesystem>
#include <system_error>

#include "base/status_macros.h"
#include "model/file.h"
#include "server/gallery/catalogue.h"
#include "server/gallery/sqlite_query.h"

namespace s2p {

absl::Status Catalogue::Copy(const std::string& from, const std::string& to) {
  for (const char* suffix : {"", "-wal", "-shm", "-journal"}) {
    std::error_code error;
    std::filesystem::remove(to + suffix, error);
    if (error) return FileError(error.value(), to, "remove");
  }
  S2P_ASSIGN_OR_RETURN(auto connection, SqliteConnection::Open(from, /*create=*/false));
  SqliteQuery query(connection.get(), "VACUUM INTO ?");
  query.Bind(absl::string_view(to));
  const absl::Status status = query.Run();
  return status.ok() ? SyncFile(to) : status;
}

}  // namespace s2p
