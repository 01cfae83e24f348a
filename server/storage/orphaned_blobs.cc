#include "server/storage/orphaned_blobs.h"

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <set>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/file.h"

namespace s2p {
namespace {

namespace fs = std::filesystem;

constexpr char kDayFormat[] = "%Y-%m-%d";

// Renames a file into a folder, which is created if it is missing.
absl::Status Move(const std::string& from, const std::string& to) {
  const fs::path folder = fs::path(to).parent_path();
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return FileError(error.value(), folder.string(), "create folder");
  if (std::rename(from.c_str(), to.c_str()) == 0) return absl::OkStatus();
  return FileError(errno, from, absl::StrCat("move to ", to));
}

absl::Status Sync(const std::set<std::string>& folders) {
  for (const std::string& folder : folders) {
    S2P_RETURN_IF_ERROR(SyncDirectory(folder));
  }
  return absl::OkStatus();
}

}  // namespace

OrphanedBlobs::OrphanedBlobs(const BlobStore* store)
    : store_(*store), root_(store->root() + "/.orphans") {}

absl::StatusOr<std::vector<std::string>> OrphanedBlobs::Days() const {
  std::vector<std::string> days;
  std::error_code error;
  for (fs::directory_iterator entry(root_, error); !error && entry != fs::directory_iterator();
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    absl::Time day;
    std::string ignored;
    // Folders with other names are not ours.
    if (!absl::ParseTime(kDayFormat, name, &day, &ignored)) continue;
    if (absl::FormatTime(kDayFormat, day, absl::UTCTimeZone()) != name) continue;
    days.push_back(entry->path().string());
  }
  if (error && error != std::errc::no_such_file_or_directory) {
    return FileError(error.value(), root_, "read folder");
  }
  return days;
}

absl::StatusOr<int64_t> OrphanedBlobs::BringBack(const IsReferenced& is_referenced) const {
  S2P_ASSIGN_OR_RETURN(const std::vector<std::string> days, Days());
  int64_t moved = 0;
  std::set<std::string> folders;
  for (const std::string& day : days) {
    S2P_ASSIGN_OR_RETURN(const auto blobs, BlobStore::Open(day));
    // Every blob in a day's folder is set aside; `referenced` counts those that are wanted again.
    std::vector<std::string> wanted;
    S2P_ASSIGN_OR_RETURN(
        const auto survey, blobs.Survey([&](const std::string& sha256) -> absl::StatusOr<bool> {
          const absl::StatusOr<bool> referenced = is_referenced(sha256);
          std::error_code ignored;
          if (referenced.ok() && *referenced && !fs::exists(store_.PathOf(sha256), ignored)) {
            wanted.push_back(sha256);
          }
          return referenced;
        }));
    for (const std::string& sha256 : wanted) {
      const std::string to = store_.PathOf(sha256);
      S2P_RETURN_IF_ERROR(Move(blobs.PathOf(sha256), to));
      folders.insert(fs::path(to).parent_path().string());
      ++moved;
    }
  }
  if (moved > 0) folders.insert(store_.root());
  S2P_RETURN_IF_ERROR(Sync(folders));
  return moved;
}

absl::StatusOr<std::string> OrphanedBlobs::SetAside(const std::vector<std::string>& digests,
                                                    absl::Time now) const {
  S2P_ASSIGN_OR_RETURN(const auto day,
                       BlobStore::Open(absl::StrCat(
                           root_, "/", absl::FormatTime(kDayFormat, now, absl::UTCTimeZone()))));
  std::set<std::string> folders = {store_.root(), root_, day.root()};
  for (const std::string& sha256 : digests) {
    const std::string to = day.PathOf(sha256);
    S2P_RETURN_IF_ERROR(Move(store_.PathOf(sha256), to));
    folders.insert(fs::path(to).parent_path().string());
  }
  S2P_RETURN_IF_ERROR(Sync(folders));
  return day.root();
}

absl::StatusOr<std::set<std::string>> OrphanedBlobs::Digests() const {
  S2P_ASSIGN_OR_RETURN(const std::vector<std::string> days, Days());
  std::set<std::string> digests;
  for (const std::string& day : days) {
    S2P_ASSIGN_OR_RETURN(const auto survey, BlobStore::OpenExisting(day).Survey(
                                                [](const std::string&) { return false; }));
    digests.insert(survey.orphans.begin(), survey.orphans.end());
  }
  return digests;
}

absl::Status OrphanedBlobs::Remove(const std::set<std::string>& digests) const {
  if (digests.empty()) return absl::OkStatus();
  S2P_ASSIGN_OR_RETURN(const std::vector<std::string> days, Days());
  absl::Status status;
  for (const std::string& day : days) {
    const BlobStore blobs = BlobStore::OpenExisting(day);
    for (const std::string& digest : digests) status.Update(blobs.Remove(digest));
    status.Update(blobs.SyncFoldersOf(digests));
  }
  return status;
}

absl::StatusOr<int64_t> OrphanedBlobs::Count() const {
  S2P_ASSIGN_OR_RETURN(const std::vector<std::string> days, Days());
  int64_t count = 0;
  for (const std::string& day : days) {
    S2P_ASSIGN_OR_RETURN(const auto survey, BlobStore::OpenExisting(day).Survey(
                                                [](const std::string&) { return true; }));
    count += survey.referenced;
  }
  return count;
}

}  // namespace s2p
