// Keeps the folders of this machine out of what its clients read.
#ifndef S2P_BASE_HIDDEN_FOLDERS_H_
#define S2P_BASE_HIDDEN_FOLDERS_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace s2p {

// The folders that a program was told to use. Messages of errors name files in them; a client must
// learn which file is broken, not where the server keeps it. Immutable.
class HiddenFolders {
 public:
  struct Folder {
    // As in the flag. An empty one, "." and "/" hide nothing.
    std::string path;
    // Clients read this in its place: "the data folder".
    std::string name;
  };

  HiddenFolders() = default;
  // Hides each folder as it is given, as an absolute path, and with its links resolved.
  explicit HiddenFolders(const std::vector<Folder>& folders);

  // "PATH/7/manifest.json: damaged" becomes "7/manifest.json: damaged", and "PATH: missing" becomes
  // "the data folder: missing". A relative PATH, which may also be a word, is hidden only before
  // a slash.
  std::string Hide(absl::string_view text) const;
  // The same for a message; code and payloads stay.
  absl::Status Hide(const absl::Status& status) const;

 private:
  // Longest first, so that a folder in another one is found before it.
  std::vector<Folder> folders_;
};

}  // namespace s2p

#endif  // S2P_BASE_HIDDEN_FOLDERS_H_
