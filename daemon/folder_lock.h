// One process per folder.
#ifndef S2P_DAEMON_FOLDER_LOCK_H_
#define S2P_DAEMON_FOLDER_LOCK_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace s2p {

// Holds <folder>/lock as long as it lives. The system releases the lock when the process ends in
// any way, so a crash leaves nothing to clean up. (It is a flock: the existence of a file would
// outlive a crash, and one process may take an fcntl lock twice.) Thread-compatible.
class FolderLock {
 public:
  // Creates the folder if it is missing. FailedPrecondition names the folder and the process that
  // has it, if it is taken; PermissionDenied if it cannot be written.
  static absl::StatusOr<std::unique_ptr<FolderLock>> Acquire(const std::string& folder);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  explicit FolderLock(int descriptor) : descriptor_(descriptor) {}
  const int descriptor_;
};

}  // namespace s2p

#endif  // S2P_DAEMON_FOLDER_LOCK_H_
