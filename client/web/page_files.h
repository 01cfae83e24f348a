// The page's files, compiled in: client/web/embed_page.cmake writes the .cc from client/web/page.
#ifndef S2P_CLIENT_WEB_PAGE_FILES_H_
#define S2P_CLIENT_WEB_PAGE_FILES_H_

#include <vector>

#include "absl/strings/string_view.h"

namespace s2p {

struct PageFile {
  // The file's name, without a folder.
  absl::string_view name;
  absl::string_view bytes;
  // SHA-256 of the bytes, in lower-case hex.
  absl::string_view sha256;
};

// All files, sorted by name. Lives as long as the program.
const std::vector<PageFile>& PageFiles();

}  // namespace s2p

#endif  // S2P_CLIENT_WEB_PAGE_FILES_H_
