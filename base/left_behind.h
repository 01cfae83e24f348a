// Files and folders that programs, not people, leave in a folder of pictures.
#ifndef S2P_BASE_LEFT_BEHIND_H_
#define S2P_BASE_LEFT_BEHIND_H_

#include "absl/strings/string_view.h"

namespace s2p {

// Whether a file or folder of this name, without its path, was left by an operating system, a
// camera, an archive or an unfinished copy: hidden ones (.DS_Store, ._a.jpg, .thumbnails),
// Thumbs.db, desktop.ini, __MACOSX, @eaDir, a.jpg.part and so on. Case does not matter.
// Thread-safe.
bool IsLeftBehind(absl::string_view name);

}  // namespace s2p

#endif  // S2P_BASE_LEFT_BEHIND_H_
