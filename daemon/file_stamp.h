// Whether a file has changed.
#ifndef S2P_DAEMON_FILE_STAMP_H_
#define S2P_DAEMON_FILE_STAMP_H_

#include <cstdint>
#include <string>

namespace s2p {

// Tells one state of a file from another without reading it. A plain value.
struct FileStamp {
  // All 0 for a file that does not exist.
  uint64_t device = 0, inode = 0, size = 0;
  int64_t modified_seconds = 0, modified_nanoseconds = 0;
  // When contents, owner or mode changed last, which no program can set back.
  int64_t changed_seconds = 0, changed_nanoseconds = 0;

  bool operator==(const FileStamp& other) const {
    return device == other.device && inode == other.inode && size == other.size &&
           modified_seconds == other.modified_seconds &&
           modified_nanoseconds == other.modified_nanoseconds &&
           changed_seconds == other.changed_seconds &&
           changed_nanoseconds == other.changed_nanoseconds;
  }
};

// Follows links, so a link that is turned to another file counts as a change.
FileStamp StampOf(const std::string& path);

}  // namespace s2p

#endif  // S2P_DAEMON_FILE_STAMP_H_
