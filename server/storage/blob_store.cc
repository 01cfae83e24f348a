#include "server/storage/blob_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <set>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "model/file.h"
#include "model/sha256.h"

namespace s2p {
namespace {

constexpr size_t kSha256Digits = 64;
constexpr size_t kFolderDigits = 2;
constexpr absl::string_view kTemporarySuffix = ".tmp";

// True if the name is that many lower-case hex digits.
bool IsHex(absl::string_view name, size_t digits) {
  return name.size() == digits && std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

bool IsHalfWritten(absl::string_view name) {
  return absl::ConsumeSuffix(&name, kTemporarySuffix) && IsHex(name, kSha256Digits);
}

// A file size limit (EFBIG, out of range) is reported as a full disk: the remedy is the same.
absl::Status AsDiskFull(const absl::Status& status) {
  if (!absl::IsOutOfRange(status)) return status;
  return absl::ResourceExhaustedError(status.message());
}

absl::Status WriteUnderName(const Blob& blob, const std::string& path) {
  const std::string temporary = absl::StrCat(path, kTemporarySuffix);
  absl::Status status = WriteFileSynced(temporary, {blob.bytes});
  if (!status.ok()) {
    unlink(temporary.c_str());
    return AsDiskFull(status);
  }
  if (rename(temporary.c_str(), path.c_str()) == 0) return absl::OkStatus();
  const int error_number = errno;
  unlink(temporary.c_str());
  return FileError(error_number, path, "rename");
}

}  // namespace

absl::StatusOr<BlobStore> BlobStore::Open(const std::string& root) {
  std::error_code error;
  std::filesystem::create_directories(root, error);
  if (error) return FileError(error.value(), root, "create folder");
  // A crash may have come between making a folder and syncing its name, which Write takes as done.
  S2P_RETURN_IF_ERROR(SyncDirectory(root));
  return BlobStore(root);
}

std::string BlobStore::FolderOf(absl::string_view sha256) const {
  S2P_CHECK(IsHex(sha256, kSha256Digits));
  return absl::StrCat(root_, "/", sha256.substr(0, kFolderDigits));
}

std::string BlobStore::PathOf(absl::string_view sha256) const {
  return absl::StrCat(FolderOf(sha256), "/", sha256);
}

absl::StatusOr<bool> BlobStore::MakeFolderOf(absl::string_view sha256) const {
  const std::string path = FolderOf(sha256);
  if (mkdir(path.c_str(), 0755) == 0) return true;
  if (errno == EEXIST) return false;
  return FileError(errno, path, "create folder");
}

absl::Status BlobStore::Write(absl::Span<const Blob> blobs, const CheckRoom& check_room) const {
  // Each folder is synced once, after the last rename in it, even if nothing was written there: a
  // crash may have come between an earlier rename and its sync.
  std::set<std::string> folders;
  for (const Blob& blob : blobs) {
    S2P_ASSIGN_OR_RETURN(const bool made, MakeFolderOf(blob.sha256));
    if (made) {
      S2P_RETURN_IF_ERROR(SyncDirectory(root_));
    }
    folders.insert(FolderOf(blob.sha256));
    if (Read(std::string(blob.sha256), blob.bytes.size()).ok()) continue;
    if (check_room) {
      S2P_RETURN_IF_ERROR(check_room(blob.bytes.size()));
    }
    S2P_RETURN_IF_ERROR(WriteUnderName(blob, PathOf(blob.sha256)));
  }
  for (const std::string& folder : folders) {
    S2P_RETURN_IF_ERROR(SyncDirectory(folder));
  }
  return absl::OkStatus();
}

absl::Status BlobStore::WriteOneOfMany(const Blob& blob) const {
  S2P_RETURN_IF_ERROR(MakeFolderOf(blob.sha256).status());
  return WriteUnderName(blob, PathOf(blob.sha256));
}

absl::StatusOr<bool> BlobStore::LinkOneOfMany(const BlobStore& from, const std::string& sha256,
                                              uint64_t size_bytes) const {
  if (!from.Has(sha256, size_bytes)) return false;
  S2P_RETURN_IF_ERROR(MakeFolderOf(sha256).status());
  return link(from.PathOf(sha256).c_str(), PathOf(sha256).c_str()) == 0 || errno == EEXIST;
}

absl::Status BlobStore::SyncFolders() const {
  std::set<std::string> folders = {root_};
  S2P_RETURN_IF_ERROR(ForEachFile([&folders](const std::string&, const std::string& path) {
    folders.insert(path.substr(0, path.rfind('/')));
    return absl::OkStatus();
  }));
  for (const std::string& folder : folders) {
    S2P_RETURN_IF_ERROR(SyncDirectory(folder));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> BlobStore::Read(const std::string& sha256, uint64_t size_bytes) const {
  const std::string path = PathOf(sha256);
  absl::StatusOr<std::string> bytes = ReadWholeFile(path, size_bytes);
  if (!bytes.ok()) return bytes;
  if (bytes->size() != size_bytes) {
    return absl::DataLossError(
        absl::StrCat(path, ": size: ", bytes->size(), " bytes instead of ", size_bytes));
  }
  const std::string actual = Sha256(*bytes);
  if (actual != sha256) {
    return absl::DataLossError(absl::StrCat(path, ": sha256: the bytes have ", actual));
  }
  return bytes;
}

absl::Status BlobStore::Remove(const std::string& sha256) const {
  const std::string path = PathOf(sha256);
  if (unlink(path.c_str()) == 0 || errno == ENOENT) return absl::OkStatus();
  return FileError(errno, path, "remove");
}

absl::Status BlobStore::SyncFoldersOf(const std::set<std::string>& digests) const {
  std::set<std::string> folders;
  for (const std::string& digest : digests) folders.insert(FolderOf(digest));
  for (const std::string& folder : folders) {
    absl::Status synced = SyncDirectory(folder);
    if (!synced.ok() && !absl::IsNotFound(synced)) return synced;
  }
  return absl::OkStatus();
}

bool BlobStore::Has(const std::string& sha256, uint64_t size_bytes) const {
  std::error_code error;
  const uintmax_t size = std::filesystem::file_size(PathOf(sha256), error);
  return !error && size == size_bytes;
}

absl::Status BlobStore::ForEachFile(
    const std::function<absl::Status(const std::string& name, const std::string& path)>& visit)
    const {
  namespace fs = std::filesystem;
  std::error_code error;
  for (fs::directory_iterator folder(root_, error); !error && folder != fs::directory_iterator();
       folder.increment(error)) {
    const std::string aa = folder->path().filename().string();
    if (!IsHex(aa, kFolderDigits)) continue;
    fs::directory_iterator entry(folder->path(), error);
    // A file with the name of one of our folders is not ours.
    if (error == std::errc::not_a_directory) {
      error.clear();
      continue;
    }
    for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
      const std::string name = entry->path().filename().string();
      std::error_code ignored;
      if (!absl::StartsWith(name, aa) || !entry->is_regular_file(ignored)) continue;
      S2P_RETURN_IF_ERROR(visit(name, entry->path().string()));
    }
    if (error) return FileError(error.value(), folder->path().string(), "read folder");
  }
  return error ? FileError(error.value(), root_, "read folder") : absl::OkStatus();
}

absl::StatusOr<bool> BlobStore::HasAny() const {
  const absl::Status found = absl::CancelledError("found one");
  const absl::Status status = ForEachFile([&found](const std::string& name, const std::string&) {
    return IsHex(name, kSha256Digits) ? found : absl::OkStatus();
  });
  if (status.ok() || status == found) return !status.ok();
  return status;
}

absl::StatusOr<BlobSurvey> BlobStore::Survey(const IsReferenced& is_referenced) const {
  BlobSurvey survey;
  S2P_RETURN_IF_ERROR(ForEachFile([&](const std::string& name, const std::string& path) {
    if (IsHalfWritten(name)) survey.half_written.push_back(path);
    if (!IsHex(name, kSha256Digits)) return absl::OkStatus();
    S2P_ASSIGN_OR_RETURN(const bool referenced, is_referenced(name));
    if (referenced) {
      ++survey.referenced;
    } else {
      survey.orphans.push_back(name);
    }
    return absl::OkStatus();
  }));
  return survey;
}

}  // namespace s2p
