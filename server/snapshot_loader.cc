#include "server/snapshot_loader.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <set>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "model/file.h"

namespace s2p {
namespace {

namespace fs = std::filesystem;

constexpr char kTemporarySuffix[] = ".tmp";

// Whether another attempt would meet this failure again.
bool IsFinal(const absl::Status& status) {
  return absl::IsDataLoss(status) || absl::IsInvalidArgument(status) ||
         absl::IsFailedPrecondition(status);
}

// `to` must not be there. DataLoss if `from` is not of the size that it should be.
absl::Status CopyFileSynced(const std::string& from, const std::string& to, uint64_t size_bytes) {
  absl::StatusOr<InputFile> file = InputFile::Open(from);
  if (!file.ok()) return file.status();
  if (file->size_bytes() != size_bytes) {
    return absl::DataLossError(absl::StrCat(from, ": size: ", file->size_bytes(),
                                            " bytes, but the manifest says ", size_bytes));
  }
  std::error_code error;
  fs::copy_file(from, to, error);
  if (error) return FileError(error.value(), to, "copy");
  const int descriptor = open(to.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return FileError(errno, to, "open");
  const int result = fsync(descriptor);
  const int error_number = errno;
  close(descriptor);
  return result == 0 ? absl::OkStatus() : FileError(error_number, to, "sync");
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

// The manifest and the files that it lists, synced; what `to` held before is gone. NotFound if
// there is no manifest.
absl::Status CopyCheckpoint(const std::string& from, const std::string& to) {
  absl::StatusOr<v1::CheckpointManifest> manifest = ReadManifest(from);
  if (!manifest.ok()) return manifest.status();
  RemoveTree(to);
  absl::Status status = MakeFolders(to);
  if (!status.ok()) return status;
  const std::string manifest_path = absl::StrCat(from, "/", kManifestFileName);
  std::error_code error;
  const uintmax_t size = fs::file_size(manifest_path, error);
  if (error) return FileError(error.value(), manifest_path, "size");
  status = CopyFileSynced(manifest_path, absl::StrCat(to, "/", kManifestFileName), size);
  for (const v1::CheckpointFile& file : manifest->files()) {
    if (!status.ok()) return status;
    status = CopyFileSynced(absl::StrCat(from, "/", file.name()),
                            absl::StrCat(to, "/", file.name()), file.bytes());
    // The manifest is there, so a file that is not is damage, not an empty place.
    if (absl::IsNotFound(status)) status = absl::DataLossError(status.message());
  }
  return status.ok() ? SyncDirectory(to) : status;
}

// The versions in a store that may not be there at all.
absl::StatusOr<std::vector<int64_t>> VersionsOrNone(const CheckpointStore& store) {
  absl::StatusOr<std::vector<int64_t>> versions = store.Versions();
  if (absl::IsNotFound(versions.status())) return std::vector<int64_t>();
  return versions;
}

}  // namespace

absl::StatusOr<std::unique_ptr<SnapshotLoader>> SnapshotLoader::Create(
    SnapshotLoaderOptions options, Gallery* gallery) {
  if (options.checkpoint_root.empty()) return absl::InvalidArgumentError("checkpoint_root: empty");
  if (options.data_dir.empty()) return absl::InvalidArgumentError("data_dir: empty");
  if (!options.load_encoder) return absl::InvalidArgumentError("load_encoder: not set");
  if (options.poll_interval <= absl::ZeroDuration()) {
    return absl::InvalidArgumentError("poll_interval: not above 0");
  }
  if (options.keep_versions < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("keep_versions: ", options.keep_versions, " is below 1"));
  }
  return std::unique_ptr<SnapshotLoader>(new SnapshotLoader(std::move(options), gallery));
}

SnapshotLoader::SnapshotLoader(SnapshotLoaderOptions options, Gallery* gallery)
    : options_(std::move(options)),
      store_(options_.checkpoint_root),
      adopted_(absl::StrCat(options_.data_dir, "/models")),
      gallery_(gallery) {}

SnapshotLoader::~SnapshotLoader() { Stop(); }

absl::StatusOr<std::vector<int64_t>> SnapshotLoader::Candidates() const {
  absl::StatusOr<std::optional<int64_t>> pinned = gallery_->PinnedVersion();
  if (!pinned.ok()) return pinned.status();
  absl::StatusOr<std::vector<int64_t>> copies = VersionsOrNone(adopted_);
  if (!copies.ok()) return copies.status();
  std::set<int64_t> versions(copies->begin(), copies->end());
  // A store that cannot be read stops nothing that was adopted.
  absl::StatusOr<std::vector<int64_t>> published = VersionsOrNone(store_);
  if (published.ok()) versions.insert(published->begin(), published->end());
  if (versions.empty() && !published.ok()) return published.status();
  std::vector<int64_t> best_first;
  for (auto version = versions.rbegin(); version != versions.rend(); ++version) {
    // A pin rolls back: what is newer is not wanted, whatever happens to the pinned version.
    if (!pinned->has_value() || *version <= **pinned) best_first.push_back(*version);
  }
  if (best_first.empty() && !versions.empty()) {
    return absl::NotFoundError(
        absl::StrCat(store_.root(), ": version ", **pinned, " is pinned, but it is not there"));
  }
  return best_first;
}

absl::Status SnapshotLoader::Load() {
  absl::MutexLock one_at_a_time(&load_mutex_);
  {
    absl::MutexLock lock(&mutex_);
    if (serving_version_ != 0) return absl::OkStatus();
  }
  absl::StatusOr<std::vector<int64_t>> candidates = Candidates();
  if (!candidates.ok()) return candidates.status();
  absl::Status first_failure;
  for (int64_t version : *candidates) {
    absl::Status status;
    {
      absl::MutexLock lock(&mutex_);
      const auto tried = tried_.find(version);
      if (tried != tried_.end() && IsFinal(tried->second.failure)) status = tried->second.failure;
    }
    if (status.ok()) {
      status = Serve(version);
      if (status.ok()) return status;
      Note(version, VersionState::kFailed, 0, status);
    }
    first_failure.Update(status);
  }
  if (!first_failure.ok()) return first_failure;
  return absl::NotFoundError(absl::StrCat(store_.root(), ": no checkpoint is published here"));
}

absl::Status SnapshotLoader::Serve(int64_t version) {
  Note(version, VersionState::kLoading);
  absl::StatusOr<Checkpoint> checkpoint = Adopt(version);
  if (!checkpoint.ok()) return checkpoint.status();
  absl::StatusOr<std::unique_ptr<const Encoder>> loaded = options_.load_encoder(*checkpoint);
  if (!loaded.ok()) return loaded.status();
  // The encoder has its own copy; embedding a gallery may take long.
  checkpoint->weights.clear();
  const std::shared_ptr<const Encoder> encoder = *std::move(loaded);
  if (encoder->version() != version) {
    return absl::InternalError(absl::StrCat("the encoder says that it is version ",
                                            encoder->version(), " instead of ", version));
  }
  Note(version, VersionState::kEmbedding);
  absl::Status status = gallery_->Activate(
      encoder,
      [this, version](int64_t done, int64_t total) {
        Note(version, VersionState::kEmbedding,
             total == 0 ? 1 : static_cast<double>(done) / static_cast<double>(total));
      },
      options_.on_damaged);
  if (!status.ok()) return status;
  {
    absl::MutexLock lock(&mutex_);
    serving_version_ = version;
    device_ = encoder->device();
  }
  PruneAdopted(version);
  Note(version, VersionState::kServing);
  return absl::OkStatus();
}

absl::StatusOr<Checkpoint> SnapshotLoader::Adopt(int64_t version) const {
  absl::StatusOr<Checkpoint> adopted = adopted_.Read(version);
  if (adopted.ok()) return adopted;
  absl::StatusOr<Checkpoint> copied = CopyFromStore(version);
  // If the store does not have it (any more), what is wrong with our copy is the better answer.
  if (absl::IsNotFound(copied.status()) && !absl::IsNotFound(adopted.status())) return adopted;
  return copied;
}

absl::StatusOr<Checkpoint> SnapshotLoader::CopyFromStore(int64_t version) const {
  const std::string temporary = absl::StrCat(adopted_.root(), "/.", version, kTemporarySuffix);
  absl::Status status = CopyCheckpoint(store_.DirectoryOf(version), temporary);
  absl::StatusOr<Checkpoint> checkpoint(absl::UnknownError("not read yet"));
  if (status.ok()) {
    // The copy is what is verified, because the copy is what is served.
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
  // What stands there is damaged, or it would have been used.
  RemoveTree(destination);
  std::error_code error;
  fs::rename(temporary, destination, error);
  if (error) return FileError(error.value(), destination, "rename");
  status = SyncDirectory(adopted_.root());
  if (!status.ok()) return status;
  checkpoint->directory = destination;
  return checkpoint;
}

void SnapshotLoader::PruneAdopted(int64_t serving) const {
  absl::StatusOr<std::vector<int64_t>> versions = adopted_.Versions();
  absl::StatusOr<std::optional<int64_t>> pinned = gallery_->PinnedVersion();
  // Only space is lost; the next start tries again.
  if (!versions.ok() || !pinned.ok()) return;
  const size_t keep = static_cast<size_t>(options_.keep_versions);
  for (size_t i = 0; i + keep < versions->size(); ++i) {
    const int64_t version = (*versions)[i];
    if (version != serving && *pinned != version) RemoveTree(adopted_.DirectoryOf(version));
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

void SnapshotLoader::Note(int64_t version, VersionState state, double progress,
                          const absl::Status& failure) {
  VersionStatus status;
  status.version = version;
  status.state = state;
  status.progress = state == VersionState::kEmbedding ? progress : 0;
  status.failure = failure;
  {
    absl::MutexLock lock(&mutex_);
    tried_[version] = status;
  }
  if (!options_.on_change) return;
  status.manifest = ManifestOf(version);
  options_.on_change(status);
}

std::shared_ptr<const v1::CheckpointManifest> SnapshotLoader::ManifestOf(int64_t version) const {
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

ModelStatus SnapshotLoader::Status() const {
  std::set<int64_t> versions;
  for (const CheckpointStore* store : {&store_, &adopted_}) {
    absl::StatusOr<std::vector<int64_t>> some = VersionsOrNone(*store);
    if (some.ok()) versions.insert(some->begin(), some->end());
  }
  ModelStatus status;
  absl::StatusOr<std::optional<int64_t>> pinned = gallery_->PinnedVersion();
  if (pinned.ok()) status.pinned_version = *pinned;
  std::map<int64_t, VersionStatus> tried;
  {
    absl::MutexLock lock(&mutex_);
    tried = tried_;
    status.serving_version = serving_version_;
    status.device = device_;
  }
  for (const auto& [version, unused] : tried) versions.insert(version);
  for (auto version = versions.rbegin(); version != versions.rend(); ++version) {
    const auto known = tried.find(*version);
    VersionStatus entry;
    if (known != tried.end()) entry = known->second;
    entry.version = *version;
    entry.manifest = ManifestOf(*version);
    status.versions.push_back(std::move(entry));
  }
  return status;
}

void SnapshotLoader::Start() {
  if (!thread_.joinable()) thread_ = std::thread([this] { Run(); });
}

void SnapshotLoader::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  if (thread_.joinable()) thread_.join();
}

void SnapshotLoader::Run() {
  for (;;) {
    if (Load().ok()) return;
    absl::MutexLock lock(&mutex_);
    if (mutex_.AwaitWithTimeout(absl::Condition(&stopping_), options_.poll_interval)) return;
  }
}

}  // namespace s2p
