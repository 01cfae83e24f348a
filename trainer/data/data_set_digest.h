// Which data a data set holds, as one number.
#ifndef S2P_TRAINER_DATA_DATA_SET_DIGEST_H_
#define S2P_TRAINER_DATA_DATA_SET_DIGEST_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "trainer/data/data_set.h"

namespace s2p {

// Digests of files for those who ask again and again: a file is read again only if its inode, its
// size or the times of its last change differ from those of the last look, or if it had changed in
// the two seconds before that look, because clocks of file systems are coarse. One thread only.
class DataSetDigestCache {
 public:
  // Remembers digests as long as it lives.
  DataSetDigestCache() = default;
  // Remembers them in a file, for later caches. A file that is missing, damaged or cannot be
  // written costs time alone: digests are then computed again.
  explicit DataSetDigestCache(const std::string& memory_file);

  // SHA-256 in lower-case hex of the folder's dataset.jsonl, as a manifest's provenance has it, or
  // of a packed data set's whole file; empty for an empty `folder`. NotFound naming the file.
  absl::StatusOr<std::string> Of(const std::string& folder);
  // The same for a target and the pairs that are joined to it (trainer/data/joined_pairs.h): that
  // of the target where `pairs` is empty or has no dataset.jsonl yet, else SHA-256 of both in turn.
  absl::StatusOr<std::string> Of(const std::string& target, const std::string& pairs);
  // SHA-256 of one file, in lower-case hex. As Sha256OfFile.
  absl::StatusOr<std::string> OfFile(const std::string& file);
  // The digest that the file had when it was read last, even if it is gone; empty if it never was.
  std::string Remembered(const std::string& file) const;
  // Number of times that a file has been read.
  int64_t reads() const { return reads_; }

 private:
  struct Entry {
    // The size and times of the file when it was read; empty if it had just changed.
    std::string state;
    std::string sha256;
  };
  void Save() const;

  // Empty: none.
  const std::string memory_file_;
  std::map<std::string, Entry> by_file_;
  int64_t reads_ = 0;
};

// The memory file of a run that is kept in a folder.
inline std::string DigestsFile(const std::string& folder) { return folder + "/digests.json"; }

// SHA-256 in lower-case hex of the bytes of all images, in the order of the lines: of the hex
// digest of each and a line feed after it, 64 dashes for one that cannot be read. A packed data set
// has the digest of the folder that it was made from, or, if it is too old to know that one, the
// digest of its file, which `files` remembers. Reads every image, on `threads` threads (0: one per
// core). `unreadable`, if given, gets the paths of those that cannot be read, after what it has.
// Cancelled once `stop` is true.
absl::StatusOr<std::string> ImagesDigest(const DataSet& data_set, int threads,
                                         const std::function<bool()>& stop = {},
                                         DataSetDigestCache* files = nullptr,
                                         std::vector<std::string>* unreadable = nullptr);

}  // namespace s2p

#endif  // S2P_TRAINER_DATA_DATA_SET_DIGEST_H_
