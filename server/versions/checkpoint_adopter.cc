#include "server/versions/checkpoint_adopter.h"

#include <sys/stat.h>

#include <filesystem>
#include <set>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "model/file.h"

namespace s2p {
namespace {

namespace fs = std::filesystem;

constexpr char kTemporarySuffix[] = ".tmp";

// `to` must not exist. DataLoss if `from` does not have the expected size.
absl::Status CopyFileSynced(const std::string& from, const std::string& to, uint64_t size_bytes) {
  S2P_ASSIGN_OR_RETURN(InputFile file, InputFile::Open(from));
  if (file.size_bytes() != size_bytes) {
    return absl::DataLossError(absl::StrCat(from, ": size: ", file.size_bytes(),
                                            " bytes, but the manifest says ", size_bytes));
  }
  std::error_code error;
  fs::copy_file(from, to, error);
  if (error) return FileError(error.value(), to, "copy");
  return SyncFile(to);
}

absl::Status MakeFolders(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  return error ? FileError(error.value(), path, "create folder") : absl::OkStatus();
}

void RemoveTree(const std::string& path) {
  std::error_code ignored;
  fs::remove_all(path, ignored);
}

// The versions in a store, which may be missing.
absl::StatusOr<std::vector<int64_t>> VersionsOrNone(const CheckpointStore& store) {
  absl::StatusOr<std::vector<int64_t>> versions = store.Versions();
  if (absl::IsNotFound(versions.status())) return std::vector<int64_t>();
  return versions;
}

}  // namespace

absl::StatusOr<std::set<int64_t>> CheckpointAdopter::Versions() const {
  S2P_ASSIGN_OR_RETURN(std::vector<int64_t> copies, VersionsOrNone(adopted_));
  std::set<int64_t> versions(copies.begin(), copies.end());
  absl::StatusOr<std::vector<int64_t>> published = VersionsOrNone(store_);
  if (published.ok()) versions.insert(published->begin(), published->end());
  if (versions.empty() && !published.ok()) return published.status();
  return versions;
}

absl::Status CheckpointAdopter::CheckStore() const {
  const absl::Status status = store_.Versions().status();
  if (!absl::IsNotFound(status)) return status;
  S2P_ASSIGN_OR_RETURN(const std::vector<int64_t> copies, VersionsOrNone(adopted_));
  return copies.empty() ? absl::OkStatus() : status;
}

std::string CheckpointAdopter::FilesOf(int64_t version) const {
  // Includes files that other programs write and rename later: their growth is a change.
  std::set<std::string> files;
  std::error_code error;
  for (fs::directory_iterator entry(store_.DirectoryOf(version), error);
       !error && entry != fs::directory_iterator(); entry.increment(error)) {
    struct stat found {};
    if (stat(entry->path().c_str(), &found) != 0) continue;
    // Includes the time of change, because a copy may preserve the time of modification.
    files.insert(absl::StrCat(entry->path().filename().string(), " ", found.st_size, " ",
                              found.st_mtim.tv_sec, ".", found.st_mtim.tv_nsec, " ",
                              found.st_ctim.tv_sec, ".", found.st_ctim.tv_nsec));
  }
  return absl::StrJoin(files, "\n");
}

absl::Status CheckpointAdopter::CheckWhole(int64_t version) const {
  std::error_code error;
  if (fs::exists(absl::StrCat(adopted_.DirectoryOf(version), "/", kManifestFileName), error)) {
    return absl::OkStatus();
  }
  const std::string directory = store_.DirectoryOf(version);
  const std::string path = absl::StrCat(directory, "/", kManifestFileName);
  const uintmax_t manifest_bytes = fs::file_size(path, error);
  if (error || manifest_bytes == 0) {
    return absl::UnavailableError(absl::StrCat("not whole yet: ", path, " is missing or empty"));
  }
  const absl::StatusOr<v1::CheckpointManifest> manifest = ReadManifest(directory);
  // Damaged, or of another format: reading reports that.
  if (!manifest.ok()) return absl::OkStatus();
  for (const v1::CheckpointFile& file : manifest->files()) {
    const std::string name = absl::StrCat(directory, "/", file.name());
    const uintmax_t bytes = fs::file_size(name, error);
    if (!error && bytes >= file.bytes()) continue;
    return absl::UnavailableError(absl::StrCat("not whole yet: ", name, " has ", error ? 0 : bytes,
                                               " of ", file.bytes(), " bytes"));
  }
  return absl::OkStatus();
}

absl::StatusOr<Checkpoint> CheckpointAdopter::Adopt(int64_t version) const {
  absl::StatusOr<Checkpoint> adopted = adopted_.Read(version);
  if (adopted.ok()) return adopted;
  absl::StatusOr<Checkpoint> copied = CopyFromStore(version);
  // If the store lacks it, the error of our own copy says more.
  if (absl::IsNotFound(copied.status()) && !absl::IsNotFound(adopted.status())) return adopted;
  return copied;
}

absl::Status CheckpointAdopter::CopyFiles(int64_t version, const std::string& to) const {
  const std::string from = store_.DirectoryOf(version);
  S2P_ASSIGN_OR_RETURN(const v1::CheckpointManifest manifest, ReadManifest(from));
  RemoveTree(to);
  const std::string manifest_path = absl::StrCat(from, "/", kManifestFileName);
  std::error_code error;
  const uintmax_t size = fs::file_size(manifest_path, error);
  if (error) return FileError(error.value(), manifest_path, "size");
  if (check_room_) {
    uint64_t bytes = size;
    for (const v1::CheckpointFile& file : manifest.files()) bytes += file.bytes();
    const absl::Status room = check_room_(bytes);
    if (!room.ok()) {
      return absl::Status(room.code(),
                          absl::StrFormat("a copy of the model takes %.1f MiB, but %s",
                                          static_cast<double>(bytes) / (1 << 20), room.message()));
    }
  }
  S2P_RETURN_IF_ERROR(MakeFolders(to));
  S2P_RETURN_IF_ERROR(
      CopyFileSynced(manifest_path, absl::StrCat(to, "/", kManifestFileName), size));
  for (const v1::CheckpointFile& file : manifest.files()) {
    const absl::Status status = CopyFileSynced(absl::StrCat(from, "/", file.name()),
                                               absl::StrCat(to, "/", file.name()), file.bytes());
    // A missing file is damage, unless the version was removed meanwhile.
    if (absl::IsNotFound(status) && fs::exists(manifest_path, error)) {
      return absl::DataLossError(status.message());
    }
    if (!status.ok()) return status;
  }
  return SyncDirectory(to);
}

absl::StatusOr<Checkpoint> CheckpointAdopter::CopyFromStore(int64_t version) const {
  const std::string temporary = absl::StrCat(adopted_.root(), "/.", version, kTemporarySuffix);
  absl::Status status = CopyFiles(version, temporary);
  absl::StatusOr<Checkpoint> checkpoint(absl::UnknownError("not read yet"));
  if (status.ok()) {
    // Verifies the copy, because the copy is what serves.
    checkpoint = ReadCheckpoint(temporary);
    status = checkpoint.status();
  }
  if (status.ok() && checkpoint->manifest.version() != version) {
    status = absl::DataLossError(absl::StrCat(store_.DirectoryOf(version), "/", kManifestFileName,
                                              ": version: ", checkpoint->manifest.version(),
                                              ", but the folder is ", version));
  }
  if (!status.ok()) {
    RemoveTree(temporary);
    return status;
  }
  const std::string destination = adopted_.DirectoryOf(version);
  // Anything there is damaged, or it would have been used.
  RemoveTree(destination);
  std::error_code error;
  fs::rename(temporary, destination, error);
  if (error) return FileError(error.value(), destination, "rename");
  status = SyncDirectory(adopted_.root());
  if (!status.ok()) return status;
  checkpoint->directory = destination;
  absl::MutexLock lock(&mutex_);
  // A manifest that was read before may come from the replaced folder.
  manifests_[version] = std::make_shared<const v1::CheckpointManifest>(checkpoint->manifest);
  return checkpoint;
}

void CheckpointAdopter::Prune(int keep_newest, const std::set<int64_t>& keep) const {
  absl::StatusOr<std::vector<int64_t>> versions = adopted_.Versions();
  // Failing only costs space; the next call tries again.
  if (!versions.ok()) return;
  for (size_t i = 0; i + static_cast<size_t>(keep_newest) < versions->size(); ++i) {
    const int64_t version = (*versions)[i];
    if (keep.count(version) > 0) continue;
    // Under another name first: a backup that copies it finds all of it, or nothing.
    const std::string removed = absl::StrCat(adopted_.root(), "/.", version, kTemporarySuffix);
    RemoveTree(removed);
    std::error_code error;
    fs::rename(adopted_.DirectoryOf(version), removed, error);
    RemoveTree(error ? adopted_.DirectoryOf(version) : removed);
  }
  std::error_code error;
  std::vector<std::string> leftovers;
  for (fs::directory_iterator entry(adopted_.root(), error);
       !error && entry != fs::directory_iterator(); entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (absl::StartsWith(name, ".") && absl::EndsWith(name, kTemporarySuffix)) {
      leftovers.push_back(entry->path().string());
    }
  }
  for (const std::string& leftover : leftovers) RemoveTree(leftover);
}

std::shared_ptr<const v1::CheckpointManifest> CheckpointAdopter::ManifestOf(int64_t version) const {
  {
    absl::MutexLock lock(&mutex_);
    const auto known = manifests_.find(version);
    if (known != manifests_.end()) return known->second;
  }
  absl::StatusOr<v1::CheckpointManifest> manifest = ReadManifest(adopted_.DirectoryOf(version));
  if (!manifest.ok()) manifest = ReadManifest(store_.DirectoryOf(version));
  if (!manifest.ok()) return nullptr;
  auto shared = std::make_shared<const v1::CheckpointManifest>(*std::move(manifest));
  absl::MutexLock lock(&mutex_);
  return manifests_.emplace(version, std::move(shared)).first->second;
}

}  // namespace s2p
