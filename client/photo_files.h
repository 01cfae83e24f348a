// The files that `gallery add` sends, and the id of each.
#ifndef S2P_CLIENT_PHOTO_FILES_H_
#define S2P_CLIENT_PHOTO_FILES_H_

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/commands/commands.h"

namespace s2p {

struct PhotoFile {
  std::string path;
  std::string photo_id;
  std::map<std::string, std::string> metadata;
};

// A file, or a folder below a given one, that cannot be added while the others can.
struct RefusedFile {
  std::string path;
  absl::Status why;
};

struct PhotoList {
  std::vector<PhotoFile> files;
  std::vector<RefusedFile> refused;
  // Number of skipped entries that no person added as photos; see ListPhotoFiles.
  size_t skipped = 0;
  // Number of links to folders, which are not followed.
  size_t linked_folders = 0;
};

// The files of a data set's split, with identity, dataset and split in their metadata; or the given
// files, and the images (by extension) in the given folders and all folders below them, sorted.
//
// A file or folder given by name is always included. Inside a folder, the following are skipped, as
// in `s2p-trainer import-dataset`: hidden files and folders, leftovers of operating systems and
// viewers (__MACOSX, @eaDir, Thumbs.db, desktop.ini), and files that are still being copied
// (photo.jpg.part). Links to files are followed.
//
// Refused without affecting the others: an unreadable subfolder, a dangling link, and a file whose
// id the API does not accept. NotFound for a given path that does not exist, and for a folder
// without images; InvalidArgument if two files would get the same id, or for a bad option.
absl::StatusOr<PhotoList> ListPhotoFiles(const GalleryAddOptions& options);

}  // namespace s2p

#endif  // S2P_CLIENT_PHOTO_FILES_H_
