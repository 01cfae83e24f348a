// <data_dir>/index/<version>.index: a trained index, so that a start need not train again.
//
// Format 1: the 8 bytes "s2pindex", the format's number as a little-endian uint32, SHA-256 of the
// rest as 64 lower-case hex digits, a line feed, and the rest: a serialised v1::IndexFile.
#ifndef S2P_SERVER_INDEX_INDEX_FILE_H_
#define S2P_SERVER_INDEX_INDEX_FILE_H_

#include <cstdint>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "s2p/v1/index_file.pb.h"

namespace s2p {

inline constexpr uint32_t kIndexFileFormat = 1;

// A cache: anything in it can be made again. Thread-safe.
class IndexFiles {
 public:
  // Does not touch the disk.
  explicit IndexFiles(std::string directory) : directory_(std::move(directory)) {}

  // NotFound; FailedPrecondition if the format is newer; DataLoss, naming file and fault, if the
  // file is truncated, damaged, or of another version.
  absl::StatusOr<v1::IndexFile> Read(int64_t version) const;
  // Writes the whole file or nothing. Creates the folder. ResourceExhausted when the disk is full.
  absl::Status Write(const v1::IndexFile& file) const;
  // Removes the files of the versions that are not in `versions`, as far as it can. Other files
  // stay.
  void Keep(const std::set<int64_t>& versions) const;

 private:
  // Writes take turns, because two of one version share a temporary file.
  mutable absl::Mutex write_mutex_;
  std::string PathOf(int64_t version) const;
  const std::string directory_;
};

}  // namespace s2p

#endif  // S2P_SERVER_INDEX_INDEX_FILE_H_
