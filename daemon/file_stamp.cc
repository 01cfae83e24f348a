#include "daemon/file_stamp.h"

#include <sys/stat.h>

namespace s2p {

FileStamp StampOf(const std::string& path) {
  struct stat attributes = {};
  if (stat(path.c_str(), &attributes) != 0) return {};
  FileStamp stamp;
  stamp.device = attributes.st_dev;
  stamp.inode = attributes.st_ino;
  stamp.size = static_cast<uint64_t>(attributes.st_size);
  stamp.modified_seconds = attributes.st_mtim.tv_sec;
  stamp.modified_nanoseconds = attributes.st_mtim.tv_nsec;
  stamp.changed_seconds = attributes.st_ctim.tv_sec;
  stamp.changed_nanoseconds = attributes.st_ctim.tv_nsec;
  return stamp;
}

}  // namespace s2p
