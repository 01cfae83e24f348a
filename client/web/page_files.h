// The page's files, compiled in. Made by client/web/embed_page.cmake from client/web/page.
#ifndef S2P_CLIENT_WEB_PAGE_FILES_H_
#define S2P_CLIENT_WEB_PAGE_FILES_H_

#include <vector>

#include "absl/strings/string_view.h"

namespace s2p {

struct PageFile {
  // Without a folder.
  absl::string_view name;
  absl::string_view bytes;
  // Of the bytes, lower-case hex.
  absl::string_view sha256;
};

// Static; by name.
const std::vector<PageFile>& PageFiles();

}  // namespace s2p

#endif  // S2P_CLIENT_WEB_PAGE_FILES_H_
