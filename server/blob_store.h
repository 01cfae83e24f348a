// The original bytes of the gallery's items, named by what is in them.
#ifndef S2P_SERVER_BLOB_STORE_H_
#define S2P_SERVER_BLOB_STORE_H_

#include <cstdint>
#include <functional>
#include <string>
#include <utility>

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

// <root>/<aa>/<sha256>, aa being the first two digits. A file under its final name is whole and on
// the disk; what a crash leaves behind is swept at the next start. Holds only the path.
// Thread-safe, except that nobody may write while Sweep runs.
class BlobStore {
 public:
  // Creates the folder if it is missing.
  static absl::StatusOr<BlobStore> Open(const std::string& root);

  // Durable when it returns. A blob that is there already and whole is not written again; a damaged
  // one is replaced. ResourceExhausted when the disk is full; some may be stored then.
  absl::Status Write(absl::Span<const Blob> blobs) const;
  // NotFound; DataLoss if the bytes do not have that hash (any more) or that size.
  absl::StatusOr<std::string> Read(const std::string& sha256, uint64_t size_bytes) const;
  // Not an error if it is not there. Not durable: a blob that comes back after a crash is an
  // orphan.
  absl::Status Remove(const std::string& sha256) const;
  // Removes half-written files, and blobs for which `is_referenced` is false; returns how many.
  absl::StatusOr<int64_t> Sweep(
      const std::function<absl::StatusOr<bool>(const std::string& sha256)>& is_referenced) const;

 private:
  explicit BlobStore(std::string root) : root_(std::move(root)) {}
  std::string PathOf(absl::string_view sha256) const;

  std::string root_;
};

}  // namespace s2p

#endif  // S2P_SERVER_BLOB_STORE_H_
