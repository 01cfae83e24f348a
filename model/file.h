// Files for the checkpoint code: read in full, and written in full and synced.
#ifndef S2P_MODEL_FILE_H_
#define S2P_MODEL_FILE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace s2p {

// The status for a failed system call: "<path>: <what>: <the system's message>". NotFound,
// PermissionDenied (also for a read-only file system), ResourceExhausted (no space, quota),
// otherwise the code of absl::ErrnoToStatus.
absl::Status FileError(int error_number, absl::string_view path, absl::string_view what);

// A regular file open for reading; the destructor closes it. Movable. Thread-compatible.
class InputFile {
 public:
  // NotFound if the file does not exist; FailedPrecondition if it is a folder, a pipe or a device.
  static absl::StatusOr<InputFile> Open(const std::string& path);
  InputFile(InputFile&& other) noexcept;
  InputFile& operator=(InputFile&&) = delete;
  ~InputFile();

  const std::string& path() const { return path_; }
  // The size when the file was opened.
  uint64_t size_bytes() const { return size_bytes_; }
  // Reads the next `size` bytes. DataLoss if the file ends before that.
  absl::Status Read(char* out, size_t size);

 private:
  InputFile(std::string path, int descriptor, uint64_t size_bytes)
      : path_(std::move(path)), descriptor_(descriptor), size_bytes_(size_bytes) {}
  std::string path_;
  int descriptor_;
  uint64_t size_bytes_;
};

// Reads the whole file. DataLoss, before anything is allocated, if it is longer than `max_bytes`.
absl::StatusOr<std::string> ReadWholeFile(const std::string& path, uint64_t max_bytes);

// Creates or replaces the file with the concatenated pieces and syncs it. A crash in the middle
// leaves a partial file: write under a name that nothing reads, then rename.
absl::Status WriteFileSynced(const std::string& path, absl::Span<const absl::string_view> pieces);

// Makes the bytes of a file durable that other code has written.
absl::Status SyncFile(const std::string& path);

// Makes the names in a folder durable.
absl::Status SyncDirectory(const std::string& path);

}  // namespace s2p

#endif  // S2P_MODEL_FILE_H_
