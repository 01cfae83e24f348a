#include "daemon/main_memory.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace s2p {
namespace {

namespace fs = std::filesystem;

// The number that follows `name` at the start of a line, as in "MemTotal:  16318480 kB". With an
// empty name, the file's first word.
std::optional<uint64_t> NumberIn(const std::string& path, const std::string& name) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    const std::vector<std::string> words =
        absl::StrSplit(line, absl::ByAnyChar(" \t:"), absl::SkipEmpty());
    const size_t place = name.empty() ? 0 : 1;
    if (words.size() <= place || (!name.empty() && words[0] != name)) continue;
    uint64_t number = 0;
    if (absl::SimpleAtoi(words[place], &number)) return number;
    return std::nullopt;
  }
  return std::nullopt;
}

// The names that a version of control groups gives its files.
struct GroupFiles {
  const char* mount;
  const char* limit;
  const char* used;
  // Pages of files, which the system drops when memory is needed.
  const char* cache[2];
};
constexpr GroupFiles kVersion1 = {"/sys/fs/cgroup/memory",
                                  "memory.limit_in_bytes",
                                  "memory.usage_in_bytes",
                                  {"total_active_file", "total_inactive_file"}};
constexpr GroupFiles kVersion2 = {
    "/sys/fs/cgroup", "memory.max", "memory.current", {"active_file", "inactive_file"}};

// Applies the limits of the group and of those around it.
void Limit(const std::string& root, const GroupFiles& files, fs::path group, MainMemory& memory) {
  for (;; group = group.parent_path()) {
    const std::string folder = absl::StrCat(root, files.mount, group.string(), "/");
    const auto limit = NumberIn(folder + files.limit, "");
    if (limit) {
      const uint64_t used = NumberIn(folder + files.used, "").value_or(0);
      uint64_t cache = 0;
      for (const char* name : files.cache) {
        cache += NumberIn(folder + "memory.stat", name).value_or(0);
      }
      const uint64_t held = used - std::min(used, cache);
      memory.total_bytes = std::min(memory.total_bytes, *limit);
      memory.available_bytes = std::min(memory.available_bytes, *limit - std::min(*limit, held));
    }
    if (!group.has_relative_path()) return;
  }
}

}  // namespace

absl::StatusOr<MainMemory> MeasureMainMemory(const std::string& root) {
  const std::string machine = root + "/proc/meminfo";
  const auto total = NumberIn(machine, "MemTotal");
  const auto available = NumberIn(machine, "MemAvailable");
  if (!total || !available) {
    return absl::NotFoundError(absl::StrCat(machine, ": does not say how much memory there is"));
  }
  MainMemory memory{*available * 1024, *total * 1024};
  // "0::/user.slice/x" for version 2, "4:memory:/x" for version 1.
  std::ifstream groups(root + "/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    const std::vector<std::string> parts = absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (parts.size() != 3) continue;
    const std::vector<std::string> controllers = absl::StrSplit(parts[1], ',');
    if (parts[1].empty()) {
      Limit(root, kVersion2, parts[2], memory);
    } else if (std::find(controllers.begin(), controllers.end(), "memory") != controllers.end()) {
      Limit(root, kVersion1, parts[2], memory);
    }
  }
  return memory;
}

}  // namespace s2p
