#include "rpc/file_stamp.h"

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
  return stamp;
}

}  // namespace s2p
