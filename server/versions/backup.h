// Backups of a server's data folder: made while it serves, checked, and restored.
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
  // Size of the original photos.
  uint64_t bytes = 0;
  // Entries of feedback.
  int64_t feedback = 0;
  // Photos whose files a backup shares with its base.
  int64_t linked = 0;
  // Versions of the checkpoints, ascending.
  std::vector<int64_t> versions;
  // One sentence for each thing that is damaged or missing; only from CheckDataFolder.
  std::vector<std::string> problems;
};

// Copies what cannot be rebuilt (catalogue, photos, feedback, adopted checkpoints), as of one
// commit of the gallery, to `out`, which must not exist. A server may serve and write meanwhile.
// The copy has every write that was answered before the start, unless it was deleted meanwhile.
// `out` appears whole and synced, or not at all. NotFound if there is no gallery; AlreadyExists;
// DataLoss naming what is damaged; ResourceExhausted when the disk is full; Aborted if photos were
// replaced faster than they could be copied.
//
// `base`, if not empty, is an earlier backup: a photo that it has under the same name (its digest)
// and with the same size shares its file, by a hard link, and is not read. Where the file systems
// do not allow links, photos are copied from `data_dir`. Each backup is complete: its base may be
// deleted. NotFound if the base is no backup; InvalidArgument if it is `data_dir` itself.
absl::StatusOr<DataFolderReport> BackUp(const std::string& data_dir, const std::string& out,
                                        const std::string& base = "");

// Restores a backup into `data_dir`, which must be empty or missing, and checks everything on the
// way. `data_dir` appears whole or not at all. Errors as BackUp; FailedPrecondition if the folder
// is not empty.
absl::StatusOr<DataFolderReport> RestoreBackup(const std::string& backup,
                                               const std::string& data_dir);

// Reads everything in a data folder or a backup and compares it with its digests. Problems are
// listed in the report. FailedPrecondition if a server uses the folder; NotFound if there is no
// gallery.
absl::StatusOr<DataFolderReport> CheckDataFolder(const std::string& data_dir);

}  // namespace s2p

#endif  // S2P_SERVER_VERSIONS_BACKUP_H_
