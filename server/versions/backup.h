// Backups of a server's data folder: made while it serves, checked, and put back.
#ifndef S2P_SERVER_VERSIONS_BACKUP_H_
#define S2P_SERVER_VERSIONS_BACKUP_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace s2p {

struct DataFolderReport {
  int64_t items = 0;
  // Of the originals.
  uint64_t bytes = 0;
  // Of the checkpoints that are there, ascending.
  std::vector<int64_t> versions;
  // What is damaged or missing, a sentence each; of CheckDataFolder only.
  std::vector<std::string> problems;
};

// Copies what cannot be rebuilt (catalogue, photos, adopted checkpoints) of one commit of the
// gallery to `out`, which must not be there; a server may serve and write meanwhile. All that was
// answered before the begin is in it, unless it was deleted meanwhile. `out` appears whole and
// synced, or not at all. NotFound if there is no gallery; AlreadyExists; DataLoss names what is
// damaged; ResourceExhausted when the disk is full; Aborted if photos were replaced faster than
// they could be copied.
absl::StatusOr<DataFolderReport> BackUp(const std::string& data_dir, const std::string& out);

// Puts a backup into `data_dir`, which must be empty or not there; checks everything on the way.
// What it holds already appears whole or not at all, too. Errors as BackUp; FailedPrecondition if
// there is a gallery already.
absl::StatusOr<DataFolderReport> RestoreBackup(const std::string& backup,
                                               const std::string& data_dir);

// Reads everything in a data folder or a backup and compares it with its digests. Not for a folder
// that is being served: FailedPrecondition. NotFound if there is no gallery. Problems are in the
// report.
absl::StatusOr<DataFolderReport> CheckDataFolder(const std::string& data_dir);

}  // namespace s2p

#endif  // S2P_SERVER_VERSIONS_BACKUP_H_
