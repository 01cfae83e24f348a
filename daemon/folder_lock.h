// One process per folder.
#ifndef S2P_DAEMON_FOLDER_LOCK_H_
#define S2P_DAEMON_FOLDER_LOCK_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace s2p {

// Holds <folder>/lock for as long as it lives; the system lets go of it when the process ends,
// however it ends, so that a crash leaves nothing to clean up. (flock, not a file that is there or
// not; not fcntl, whose locks one process may take twice.) Thread-compatible.
class FolderLock {
 public:
  // Creates the folder if it is missing. FailedPrecondition, naming the folder and the process that
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
