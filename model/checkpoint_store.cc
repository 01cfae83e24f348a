#include "model/checkpoint_store.h"

#include <fcntl.h>
#include <google/protobuf/util/time_util.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <limits>
#include <random>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "model/file.h"
#include "model/manifest_format.h"
#include "model/sha256.h"

namespace s2p {
namespace {

namespace fs = std::filesystem;

constexpr char kTemporarySuffix[] = ".tmp";
// The writer of a temporary folder that has not been touched for this long is dead.
constexpr std::time_t kAbandonedAfterSeconds = 24 * 3600;
// Copied from <linux/fs.h>, whose macros would clash here.
constexpr unsigned int kRenameNoReplace = 1;

// The version in a folder's name; 0 if the name is not a version.
int64_t VersionOfName(const std::string& name) {
  int64_t version = 0;
  if (name.empty() || name[0] < '1' || name[0] > '9' || !absl::SimpleAtoi(name, &version)) return 0;
  // SimpleAtoi accepts spaces, but a version has only one spelling.
  return absl::StrCat(version) == name ? version : 0;
}

// Calls `visit` with each entry of the folder.
template <typename Visit>
absl::Status ForEachEntry(const std::string& directory, Visit visit) {
  std::error_code error;
  fs::directory_iterator entry(directory, error);
  while (!error && entry != fs::directory_iterator()) {
    visit(*entry);
    entry.increment(error);
  }
  return error ? FileError(error.value(), directory, "list") : absl::OkStatus();
}

// Renames a folder unless the new name is taken. Returns 0 or the error number, EEXIST if taken.
int RenameToFreeName(const std::string& from, const std::string& to) {
  if (syscall(SYS_renameat2, AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), kRenameNoReplace) == 0) {
    return 0;
  }
  if (errno != EINVAL && errno != ENOSYS) return errno;
  // The file system lacks RENAME_NOREPLACE. A plain rename never replaces a folder with files in
  // it.
  if (rename(from.c_str(), to.c_str()) == 0) return 0;
  return errno == ENOTEMPTY || errno == ENOTDIR ? EEXIST : errno;
}

// A new folder that is removed with this object unless it was published.
class TemporaryFolder {
 public:
  explicit TemporaryFolder(std::string path) : path_(std::move(path)) {}
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() {
    std::error_code ignored;
    if (!path_.empty()) fs::remove_all(path_, ignored);
  }

  const std::string& path() const { return path_; }
  void Release() { path_.clear(); }

 private:
  std::string path_;
};

absl::StatusOr<std::string> MakeTemporaryFolder(const std::string& root) {
  std::random_device random;
  for (;;) {
    const uint64_t number = uint64_t{random()} << 32 | random();
    std::string path =
        absl::StrCat(root, "/.", absl::Hex(number, absl::kZeroPad16), kTemporarySuffix);
    if (mkdir(path.c_str(), 0777) == 0) return path;
    if (errno != EEXIST) return FileError(errno, path, "create");
  }
}

// True for names that MakeTemporaryFolder makes. Another program's hidden folder is not ours to
// remove, even with the same ending.
bool IsTemporaryName(absl::string_view name) {
  constexpr absl::string_view kHexDigits = "0123456789abcdef";
  return absl::ConsumePrefix(&name, ".") && absl::ConsumeSuffix(&name, kTemporarySuffix) &&
         !name.empty() && name.find_first_not_of(kHexDigits) == absl::string_view::npos;
}

// Removes the leftovers of writers that died more than a day ago. Best effort: leftovers cost only
// space.
void SweepAbandoned(const std::string& root) {
  std::vector<fs::path> abandoned;
  const std::time_t now = std::time(nullptr);
  ForEachEntry(root, [&](const fs::directory_entry& entry) {
    const std::string name = entry.path().filename().string();
    struct stat status {};
    if (IsTemporaryName(name) && lstat(entry.path().c_str(), &status) == 0 &&
        S_ISDIR(status.st_mode) && now - status.st_mtime > kAbandonedAfterSeconds) {
      abandoned.push_back(entry.path());
    }
  }).IgnoreError();
  std::error_code ignored;
  for (const fs::path& path : abandoned) fs::remove_all(path, ignored);
}

absl::Status CreateRoot(const std::string& root) {
  std::error_code error;
  const bool created = fs::create_directories(root, error);
  if (error) return FileError(error.value(), root, "create");
  if (!created) return absl::OkStatus();
  const fs::path parent = fs::absolute(root, error).parent_path();
  return error ? FileError(error.value(), root, "find") : SyncDirectory(parent.string());
}

absl::Status WriteWeights(const std::string& folder, const TensorMap& weights,
                          v1::CheckpointManifest& manifest) {
  const std::string path = absl::StrCat(folder, "/", kWeightsFileName);
  S2P_RETURN_IF_ERROR(WriteSafetensors(path, weights));
  // Hashes the bytes read back from the disk, so that a silently failed write is never published.
  S2P_ASSIGN_OR_RETURN(InputFile file, InputFile::Open(path));
  S2P_ASSIGN_OR_RETURN(std::string sha256, Sha256OfFile(path));
  manifest.clear_files();
  v1::CheckpointFile* entry = manifest.add_files();
  entry->set_name(kWeightsFileName);
  entry->set_bytes(file.size_bytes());
  entry->set_sha256(sha256);
  return absl::OkStatus();
}

absl::Status WriteManifest(const std::string& folder, const v1::CheckpointManifest& manifest) {
  S2P_ASSIGN_OR_RETURN(const std::string json, ManifestJson(manifest));
  return WriteFileSynced(absl::StrCat(folder, "/", kManifestFileName), {json});
}

}  // namespace

std::string CheckpointStore::DirectoryOf(int64_t version) const {
  return absl::StrCat(root_, "/", version);
}

absl::StatusOr<std::vector<int64_t>> CheckpointStore::Versions() const {
  std::vector<int64_t> versions;
  S2P_RETURN_IF_ERROR(ForEachEntry(root_, [&](const fs::directory_entry& entry) {
    const int64_t version = VersionOfName(entry.path().filename().string());
    std::error_code error;
    if (version != 0 && entry.is_directory(error)) versions.push_back(version);
  }));
  std::sort(versions.begin(), versions.end());
  return versions;
}

absl::StatusOr<int64_t> CheckpointStore::NewestVersion() const {
  S2P_ASSIGN_OR_RETURN(std::vector<int64_t> versions, Versions());
  if (versions.empty()) {
    return absl::NotFoundError(absl::StrCat(root_, ": no checkpoint is published here"));
  }
  return versions.back();
}

absl::StatusOr<Checkpoint> CheckpointStore::Read(int64_t version) const {
  absl::StatusOr<Checkpoint> checkpoint = ReadCheckpoint(DirectoryOf(version));
  if (checkpoint.ok() && checkpoint->manifest.version() != version) {
    return absl::DataLossError(absl::StrCat(DirectoryOf(version), "/", kManifestFileName,
                                            ": version: ", checkpoint->manifest.version(),
                                            ", but the folder is ", version));
  }
  return checkpoint;
}

absl::StatusOr<int64_t> CheckpointStore::Publish(v1::CheckpointManifest manifest,
                                                 const TensorMap& weights) const {
  absl::Status status = ValidateManifest(manifest);
  if (status.ok()) status = CheckFinite(weights);
  if (status.ok()) status = CreateRoot(root_);
  if (!status.ok()) return status;
  SweepAbandoned(root_);
  S2P_ASSIGN_OR_RETURN(std::string path, MakeTemporaryFolder(root_));
  TemporaryFolder folder(path);
  // Older programs read what they understand.
  manifest.set_format_version(OldestFormatOf(manifest));
  *manifest.mutable_created_at() = google::protobuf::util::TimeUtil::GetCurrentTime();
  status = WriteWeights(folder.path(), weights, manifest);
  if (!status.ok()) return status;

  S2P_ASSIGN_OR_RETURN(std::vector<int64_t> versions, Versions());
  int64_t version = versions.empty() ? 0 : versions.back();
  for (int taken = EEXIST; taken != 0;) {
    if (version == std::numeric_limits<int64_t>::max()) {
      return absl::ResourceExhaustedError(absl::StrCat(root_, ": no version number is left"));
    }
    manifest.set_version(++version);
    status = WriteManifest(folder.path(), manifest);
    if (status.ok()) status = SyncDirectory(folder.path());
    if (!status.ok()) return status;
    taken = RenameToFreeName(folder.path(), DirectoryOf(version));
    if (taken != 0 && taken != EEXIST) return FileError(taken, DirectoryOf(version), "publish");
  }
  folder.Release();
  status = SyncDirectory(root_);
  if (!status.ok()) return status;
  return version;
}

absl::StatusOr<int64_t> CheckpointStore::VersionOfJob(const std::string& job_id) const {
  S2P_ASSIGN_OR_RETURN(const auto versions, Versions());
  for (auto version = versions.rbegin(); version != versions.rend(); ++version) {
    const auto manifest = ReadManifest(DirectoryOf(*version));
    if (manifest.ok() && manifest->provenance().job_id() == job_id) return *version;
  }
  return absl::NotFoundError(absl::StrCat(root_, ": job ", job_id, " has published nothing"));
}

absl::Status CheckpointStore::Prune(int64_t keep_last, const std::vector<int64_t>& needed) const {
  S2P_CHECK(keep_last >= 1);
  S2P_ASSIGN_OR_RETURN(const auto versions, Versions());
  const auto count = static_cast<int64_t>(versions.size());
  for (int64_t i = 0; i + keep_last < count; ++i) {
    const int64_t version = versions[static_cast<size_t>(i)];
    if (std::find(needed.begin(), needed.end(), version) != needed.end()) continue;
    // Each removal gets its own temporary folder, since the rename needs an unused name.
    S2P_ASSIGN_OR_RETURN(std::string path, MakeTemporaryFolder(root_));
    const TemporaryFolder folder(path);
    const std::string target = folder.path() + "/removed";
    if (rename(DirectoryOf(version).c_str(), target.c_str()) != 0) {
      return FileError(errno, DirectoryOf(version), "remove");
    }
  }
  return SyncDirectory(root_);
}

}  // namespace s2p
