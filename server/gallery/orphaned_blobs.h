// Blobs that no item names, kept for a while before they are deleted.
#ifndef S2P_SERVER_ORPHANED_BLOBS_H_
#define S2P_SERVER_ORPHANED_BLOBS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/gallery/blob_store.h"

namespace s2p {

// How long an orphan is kept.
inline constexpr absl::Duration kKeepOrphans = absl::Hours(24 * 30);

// <root>/.orphans/<day>/<aa>/<sha256>, <root> being a blob store's folder and <day> the UTC date on
// which the blob was set aside, as 2026-01-31. Every <day> has the form of the store. Nothing is
// deleted when a catalogue is lost or an old one comes back: its photos are here, and BringBack
// returns them when the right catalogue is back. `store` must outlive it. Thread-compatible; for
// the time before the store is written to.
class OrphanedBlobs {
 public:
  explicit OrphanedBlobs(const BlobStore* store);

  // Moves back what `is_referenced` and the store lacks; returns how many blobs.
  absl::StatusOr<int64_t> BringBack(const IsReferenced& is_referenced) const;
  // Moves blobs out of the store, durably; returns the day's folder. NotFound if one is not there.
  absl::StatusOr<std::string> SetAside(const std::vector<std::string>& digests,
                                       absl::Time now) const;
  // Deletes the folders of days that ended more than kKeepOrphans before `now`; returns how many
  // blobs are left.
  absl::StatusOr<int64_t> Expire(absl::Time now) const;

 private:
  // Paths of the folders of all days, with the day that each name stands for.
  struct Day {
    std::string path;
    absl::Time begin;
  };
  absl::StatusOr<std::vector<Day>> Days() const;

  const BlobStore& store_;
  const std::string root_;
};

}  // namespace s2p

#endif  // S2P_SERVER_ORPHANED_BLOBS_H_
