// Confirmed pairs as a data set that grows.
#ifndef S2P_SERVER_FEEDBACK_PAIR_FOLDER_H_
#define S2P_SERVER_FEEDBACK_PAIR_FOLDER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "daemon/folder_lock.h"

namespace s2p {

// A drawing and the photo that it shows. A plain value.
struct ConfirmedPair {
  // The record's id and digest, which name the drawing.
  std::string feedback_id;
  std::string digest;
  uint64_t sketch_bytes = 0;
  std::string photo_id;
  std::string photo_sha256;
  uint64_t photo_bytes = 0;
  std::string photo_content_type;
  // The name of the thing that both show. Photos may share it.
  std::string identity;
};

// A folder in the format of docs/datasets.md, with each photo once, and one or more drawings of it,
// all in the split "train". Photos whose metadata name the same identity share it here:
//
//   dataset.json                 {"format":1,"name":"feedback","source":...,"store":<id>}
//   dataset.jsonl                the lines of photos and drawings
//   photo/<32 hex digits>.jpg    the original bytes
//   sketch/<32 hex digits>.png
//   lock                         one writer at a time
//
// Files are written under another name, synced and renamed: dataset.jsonl too, which is always
// written whole. A reader finds the old lines or the new ones, never half a line, and each file
// that a line names is whole; so a crash at any byte leaves nothing to repair but files that no
// line names, which the next Write removes. (Lines that are appended in place would show a reader a
// torn end.) A reader that has read the lines before a pair was taken out may miss its files. While
// there is no pair there is no dataset.jsonl, because a data set without images cannot be opened.
// Thread-compatible.
class PairFolder {
 public:
  using ReadBytes = std::function<absl::StatusOr<std::string>(const ConfirmedPair&)>;
  // The sources of the bytes of pairs.
  struct Sources {
    ReadBytes photo;
    ReadBytes sketch;
    // An error if the disk has no room for a file of this size.
    std::function<absl::Status(uint64_t bytes)> check_room;
    // Optional: told of each pair that is left out, because its bytes cannot be read or there is no
    // room for them.
    std::function<void(const ConfirmedPair&, const absl::Status&)> on_left_out;
  };

  // Locks the folder, and makes it a data set of the store `store_id` if it is empty or missing.
  // FailedPrecondition if it has something else in it, is of another store or of an unknown format,
  // or another process has it; else the system's error.
  static absl::StatusOr<std::unique_ptr<PairFolder>> Open(const std::string& folder,
                                                          const std::string& store_id);

  // Makes the data set hold these pairs, in this order, and no others: durable when it returns, and
  // nothing of other pairs is left. Pairs of one photo must follow one another. Writes only what is
  // not there yet. After an error the lines are as they were before or as they are to be.
  // ResourceExhausted when the disk is full; else the system's error.
  absl::Status Write(absl::Span<const ConfirmedPair> pairs, const Sources& sources);

  const std::string& path() const { return folder_; }
  // The pairs that the last Write has left in the data set.
  int64_t pairs() const { return pairs_; }

 private:
  class Writing;

  PairFolder(std::string folder, std::unique_ptr<FolderLock> lock);

  const std::string folder_;
  const std::unique_ptr<FolderLock> lock_;
  int64_t pairs_ = 0;
};

}  // namespace s2p

#endif  // S2P_SERVER_FEEDBACK_PAIR_FOLDER_H_
