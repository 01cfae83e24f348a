// Blobs that no item names, kept until an operator deletes them.
#ifndef S2P_SERVER_STORAGE_ORPHANED_BLOBS_H_
#define S2P_SERVER_STORAGE_ORPHANED_BLOBS_H_

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/storage/blob_store.h"

namespace s2p {

// <root>/.orphans/<day>/<aa>/<sha256>, <root> being a blob store's folder and <day> the UTC date on
// which the blob was set aside, as 2026-01-31. Every <day> has the layout of the store. Nothing is
// deleted unless somebody deletes that photo, because neither clock nor catalogue can be trusted to
// tell that a photo is unwanted: when a lost catalogue is restored, BringBack returns its photos.
// `store` must outlive it, and nobody may write to it meanwhile. Thread-compatible.
class OrphanedBlobs {
 public:
  explicit OrphanedBlobs(const BlobStore* store);

  // Durably moves back each blob for which `is_referenced` is true and that the store lacks;
  // returns how many.
  absl::StatusOr<int64_t> BringBack(const IsReferenced& is_referenced) const;
  // Durably moves blobs out of the store; returns the day's folder. NotFound if one is missing.
  absl::StatusOr<std::string> SetAside(const std::vector<std::string>& digests,
                                       absl::Time now) const;
  // Digests of the blobs that are set aside.
  absl::StatusOr<std::set<std::string>> Digests() const;
  // Durably removes the blobs wherever they are set aside: their photos were deleted. After an
  // error some may be left.
  absl::Status Remove(const std::set<std::string>& digests) const;
  // The number of blobs that are set aside.
  absl::StatusOr<int64_t> Count() const;

 private:
  // Paths of all days' folders.
  absl::StatusOr<std::vector<std::string>> Days() const;

  const BlobStore& store_;
  const std::string root_;
};

}  // namespace s2p

#endif  // S2P_SERVER_STORAGE_ORPHANED_BLOBS_H_
