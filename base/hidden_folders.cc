#include "base/hidden_folders.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <system_error>

#include "absl/strings/ascii.h"
#include "absl/strings/cord.h"
#include "absl/strings/match.h"

namespace s2p {
namespace {

namespace fs = std::filesystem;

std::string WithoutEndingSlashes(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

std::set<std::string> FormsOf(const std::string& path) {
  std::set<std::string> forms = {WithoutEndingSlashes(path)};
  std::error_code error;
  const fs::path absolute = fs::absolute(path, error).lexically_normal();
  if (!error) forms.insert(WithoutEndingSlashes(absolute.string()));
  const fs::path resolved = fs::weakly_canonical(path, error);
  if (!error) forms.insert(WithoutEndingSlashes(resolved.string()));
  for (const char* nowhere : {"", ".", "/"}) forms.erase(nowhere);
  return forms;
}

// Whether a name of a file can continue with this byte. The bytes of other scripts can.
bool IsInName(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '-' ||
         static_cast<unsigned char>(c) >= 0x80;
}

// Whether a path can begin after this byte.
bool EndsPath(char c) { return !IsInName(c) && c != '/' && c != '.'; }

}  // namespace

HiddenFolders::HiddenFolders(const std::vector<Folder>& folders) {
  for (const Folder& folder : folders) {
    if (folder.path.empty()) continue;
    for (const std::string& form : FormsOf(folder.path)) folders_.push_back({form, folder.name});
  }
  std::stable_sort(folders_.begin(), folders_.end(),
                   [](const Folder& a, const Folder& b) { return a.path.size() > b.path.size(); });
}

std::string HiddenFolders::Hide(absl::string_view text) const {
  std::string shown;
  for (size_t at = 0; at < text.size();) {
    const absl::string_view rest = text.substr(at);
    const auto found =
        at > 0 && !EndsPath(text[at - 1])
            ? folders_.end()
            : std::find_if(folders_.begin(), folders_.end(), [rest](const Folder& folder) {
                if (!absl::StartsWith(rest, folder.path)) return false;
                const absl::string_view after = rest.substr(folder.path.size());
                if (folder.path.front() != '/') return absl::StartsWith(after, "/");
                return after.empty() || !IsInName(after.front());
              });
    if (found == folders_.end()) {
      shown.push_back(text[at++]);
      continue;
    }
    at += found->path.size();
    const size_t name = std::min(text.find_first_not_of('/', at), text.size());
    const bool names_file =
        name > at && name < text.size() && (IsInName(text[name]) || text[name] == '.');
    if (names_file) {
      at = name;
    } else {
      shown += found->name;
    }
  }
  return shown;
}

absl::Status HiddenFolders::Hide(const absl::Status& status) const {
  if (status.ok() || folders_.empty()) return status;
  absl::Status shown(status.code(), Hide(status.message()));
  status.ForEachPayload([&shown](absl::string_view type, const absl::Cord& payload) {
    shown.SetPayload(type, payload);
  });
  return shown;
}

}  // namespace s2p
