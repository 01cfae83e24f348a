// The original bytes of the gallery's items, each file named by its digest.
#ifndef S2P_SERVER_STORAGE_BLOB_STORE_H_
#define S2P_SERVER_STORAGE_BLOB_STORE_H_

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace s2p {

// Bytes and their SHA-256 in lower-case hex; borrowed.
struct Blob {
  absl::string_view sha256;
  absl::string_view bytes;
};

// The findings of one walk over a store.
struct BlobSurvey {
  // The number of blobs that are referenced.
  int64_t referenced = 0;
  // Digests of the blobs that are not.
  std::vector<std::string> orphans;
  // Paths of the files that a crash left half written.
  std::vector<std::string> half_written;
};

// True if `sha256` is needed. An error ends the walk.
using IsReferenced = std::function<absl::StatusOr<bool>(const std::string& sha256)>;

// <root>/<aa>/<sha256>, aa being the first two digits. A file under its final name is whole and
// synced. Other files in the folder are not ours and stay. Holds only the path. Thread-safe, except
// that nobody may write during Survey.
class BlobStore {
 public:
  // Creates the folder if it is missing.
  static absl::StatusOr<BlobStore> Open(const std::string& root);
  // Opens a folder as it is: creates and syncs nothing.
  static BlobStore OpenExisting(std::string root) { return BlobStore(std::move(root)); }

  const std::string& root() const { return root_; }
  // <root>/<aa>/<sha256>. The digest must be 64 lower-case hex digits.
  std::string PathOf(absl::string_view sha256) const;

  // An error if there is no room for a file of this size.
  using CheckRoom = std::function<absl::Status(uint64_t bytes)>;

  // Durable when it returns. A blob that is already stored and whole is not written again; a
  // damaged one is replaced. ResourceExhausted when the disk is full; the error of `check_room`
  // (optional), which is asked before each file is written. Some blobs may be stored then.
  absl::Status Write(absl::Span<const Blob> blobs, const CheckRoom& check_room = nullptr) const;
  // As Write for one of very many blobs: it has a durable name only after SyncFolders.
  absl::Status WriteOneOfMany(const Blob& blob) const;
  // As WriteOneOfMany, but shares the file of another store. False if that has no file of this name
  // and size, or file systems do not allow it.
  absl::StatusOr<bool> LinkOneOfMany(const BlobStore& from, const std::string& sha256,
                                     uint64_t size_bytes) const;
  // Makes the names of all blobs durable.
  absl::Status SyncFolders() const;
  // NotFound; DataLoss if the bytes do not have that digest or that size.
  absl::StatusOr<std::string> Read(const std::string& sha256, uint64_t size_bytes) const;
  // Removing a missing blob is OK. Durable only after SyncFoldersOf: a blob that a crash brings
  // back is an orphan.
  absl::Status Remove(const std::string& sha256) const;
  // Makes durable that these blobs were removed. A folder that is missing is OK.
  absl::Status SyncFoldersOf(const std::set<std::string>& digests) const;
  // True if a file of that name and size exists. Its bytes are not read.
  bool Has(const std::string& sha256, uint64_t size_bytes) const;
  // True if there is at least one blob.
  absl::StatusOr<bool> HasAny() const;
  // Walks the whole store and changes nothing.
  absl::StatusOr<BlobSurvey> Survey(const IsReferenced& is_referenced) const;

 private:
  explicit BlobStore(std::string root) : root_(std::move(root)) {}
  std::string FolderOf(absl::string_view sha256) const;
  // Creates the folder of a blob if it is missing. True if it was.
  absl::StatusOr<bool> MakeFolderOf(absl::string_view sha256) const;
  // Calls `visit` with the name and path of each file in a folder <aa>, until it returns an error.
  absl::Status ForEachFile(const std::function<absl::Status(const std::string& name,
                                                            const std::string& path)>& visit) const;

  std::string root_;
};

}  // namespace s2p

#endif  // S2P_SERVER_STORAGE_BLOB_STORE_H_
