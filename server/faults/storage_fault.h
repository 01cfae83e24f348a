// Errors of the data folder, as the log and as a caller may know them.
#ifndef S2P_SERVER_FAULTS_STORAGE_FAULT_H_
#define S2P_SERVER_FAULTS_STORAGE_FAULT_H_

#include <string>

#include "absl/status/status.h"
#include "server/faults/faults.h"

namespace s2p {

// An error of a file as an error of the catalogue: a code that would accuse the caller, such as
// NotFound, becomes Internal. The message stays.
absl::Status AsStorageError(const absl::Status& status);

// Reports an error of the catalogue or of a file that is written, and returns what a caller may
// know of it, without paths: ResourceExhausted for a full disk, DataLoss for a damaged catalogue,
// Internal for a read-only file system and for all that failed otherwise. Errors of the caller
// (NotFound, AlreadyExists, Aborted, ...) and OK are returned as they are.
absl::Status StorageFault(Faults& faults, const absl::Status& status);

// The data folder has been written: it is not read-only, and the catalogue works. The disk is not
// full if it has more room than its reserve.
void StorageWorks(Faults& faults, bool has_room);

// Reports that the file of a photo cannot be read, for whatever reason, and returns a DataLoss that
// names the photo.
absl::Status PhotoFault(Faults& faults, const std::string& photo_id, const std::string& sha256,
                        const absl::Status& status);

// The file of the photo is whole, or not needed any more.
void PhotoWorks(Faults& faults, const std::string& sha256);

}  // namespace s2p

#endif  // S2P_SERVER_FAULTS_STORAGE_FAULT_H_
