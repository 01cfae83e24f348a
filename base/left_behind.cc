#include "base/left_behind.h"

#include <algorithm>
#include <iterator>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"

namespace s2p {
namespace {

// Keep in step with the web page's list in client/web/page/dropped_files.js.
constexpr absl::string_view kNames[] = {"thumbs.db",
                                        "ehthumbs.db",
                                        "desktop.ini",
                                        "picasa.ini",
                                        "icon\r",
                                        "__macosx",
                                        "@eadir",
                                        "#recycle",
                                        "$recycle.bin",
                                        "lost+found",
                                        "system volume information"};
// Files that are still being copied or downloaded.
constexpr absl::string_view kPartialEndings[] = {".part",       ".partial",  ".filepart",
                                                 ".crdownload", ".download", ".tmp"};

}  // namespace

bool IsLeftBehind(absl::string_view name) {
  const std::string lower = absl::AsciiStrToLower(name);
  if (absl::StartsWith(lower, ".")) return true;
  if (std::find(std::begin(kNames), std::end(kNames), lower) != std::end(kNames)) return true;
  return std::any_of(std::begin(kPartialEndings), std::end(kPartialEndings),
                     [&](absl::string_view ending) { return absl::EndsWith(lower, ending); });
}

}  // namespace s2p
