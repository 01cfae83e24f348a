// What a SnapshotLoader notes of versions, and tells.
#include <algorithm>
#include <utility>

#include "server/versions/snapshot_loader.h"

namespace s2p {
namespace {

// Longest wait before a version is tried again, as a power of two of the poll interval.
constexpr int kMostDoublings = 8;

}  // namespace

void SnapshotLoader::NoteServing(const Encoder& encoder) {
  VersionStatus serving;
  serving.version = encoder.version();
  serving.state = VersionState::kServing;
  VersionStatus retired;
  retired.state = VersionState::kRetired;
  std::set<int64_t> keep;
  {
    absl::MutexLock lock(&mutex_);
    retired.version = std::exchange(serving_version_, serving.version);
    device_ = encoder.device();
    attempted_[serving.version] = {};
    attempted_[serving.version].status = serving;
    if (retired.version != 0) attempted_[retired.version].status = retired;
    served_.erase(std::remove(served_.begin(), served_.end(), serving.version), served_.end());
    served_.push_front(serving.version);
    if (served_.size() > static_cast<size_t>(options_.keep_versions)) served_.pop_back();
    keep.insert(served_.begin(), served_.end());
  }
  {
    absl::MutexLock lock(&pin_mutex_);
    absl::StatusOr<std::optional<int64_t>> pinned = gallery_->PinnedVersion();
    if (pinned.ok()) {
      if (pinned->has_value()) keep.insert(**pinned);
      checkpoints_.Prune(options_.keep_versions, keep);
    }
  }
  if (retired.version != 0) Report(std::move(retired));
  Report(std::move(serving));
  // If the disk is full, old embeddings stay until a later version serves.
  gallery_->DropRetired().IgnoreError();
}

void SnapshotLoader::NoteFailed(int64_t version, const absl::Status& failure) {
  VersionStatus status;
  status.version = version;
  status.state = VersionState::kFailed;
  status.failure = failure;
  {
    absl::MutexLock lock(&mutex_);
    Attempted& attempted = attempted_[version];
    attempted.status = status;
    attempted.failed_in_look = look_;
    attempted.files = seen_files_[version].files;
    attempted.retry_at = options_.now() + options_.poll_interval *
                                              (1 << std::min(attempted.failures, kMostDoublings));
    ++attempted.failures;
  }
  Report(std::move(status));
}

void SnapshotLoader::NoteInterrupted(int64_t version) {
  bool retired = false;
  {
    absl::MutexLock lock(&mutex_);
    retired = std::find(served_.begin(), served_.end(), version) != served_.end();
  }
  Note(version, retired ? VersionState::kRetired : VersionState::kPublished);
}

void SnapshotLoader::Note(int64_t version, VersionState state, double progress,
                          absl::Duration eta) {
  VersionStatus status;
  status.version = version;
  status.state = state;
  status.progress = progress;
  status.eta = eta;
  {
    absl::MutexLock lock(&mutex_);
    attempted_[version].status = status;
  }
  Report(std::move(status));
}

void SnapshotLoader::Report(VersionStatus status) const {
  if (options_.on_change) {
    status.manifest = checkpoints_.ManifestOf(status.version);
    options_.on_change(status);
  }
  if (options_.on_status) options_.on_status();
}

ModelStatus SnapshotLoader::Status() const {
  std::set<int64_t> versions;
  absl::StatusOr<std::set<int64_t>> there = checkpoints_.Versions();
  if (there.ok()) versions = *std::move(there);
  ModelStatus status;
  absl::StatusOr<std::optional<int64_t>> pinned = gallery_->PinnedVersion();
  if (pinned.ok()) status.pinned_version = *pinned;
  std::map<int64_t, Attempted> attempted;
  std::map<int64_t, absl::Status> incomplete;
  {
    absl::MutexLock lock(&mutex_);
    attempted = attempted_;
    for (const auto& [version, seen] : seen_files_) {
      if (IsIncomplete(version)) incomplete[version] = seen.whole;
    }
    status.serving_version = serving_version_;
    status.device = device_;
  }
  for (const auto& [version, unused] : attempted) versions.insert(version);
  for (auto version = versions.rbegin(); version != versions.rend(); ++version) {
    const auto known = attempted.find(*version);
    VersionStatus entry;
    if (known != attempted.end()) entry = known->second.status;
    entry.version = *version;
    const auto lacks = incomplete.find(*version);
    if (lacks != incomplete.end() && entry.state == VersionState::kPublished) {
      entry.failure = lacks->second;
    }
    entry.manifest = checkpoints_.ManifestOf(*version);
    status.versions.push_back(std::move(entry));
  }
  return status;
}

}  // namespace s2p
