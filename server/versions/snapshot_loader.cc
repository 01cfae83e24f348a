#include "server/versions/snapshot_loader.h"

#include <algorithm>
#include <exception>
#include <limits>
#include <new>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "daemon/thread_priority.h"

namespace s2p {
namespace {

// Longest wait before a version is tried again, as a power of two of the poll interval.
constexpr int kMostDoublings = 8;

// True if a retry would fail in the same way.
bool IsFinal(const absl::Status& status) {
  return absl::IsDataLoss(status) || absl::IsInvalidArgument(status) ||
         absl::IsFailedPrecondition(status);
}

absl::Status CheckOptions(const SnapshotLoaderOptions& options) {
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
  for (int size : options.warm_up_batch_sizes) {
    if (size < 1) {
      return absl::InvalidArgumentError(absl::StrCat("warm_up_batch_sizes: ", size, " is below 1"));
    }
  }
  if (options.warm_up_passes < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("warm_up_passes: ", options.warm_up_passes, " is below 0"));
  }
  if (!(options.reembed_share >= 0.05 && options.reembed_share <= 1)) {
    return absl::InvalidArgumentError(
        absl::StrCat("reembed_share: ", options.reembed_share, " is not in [0.05, 1]"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<SnapshotLoader>> SnapshotLoader::Create(
    SnapshotLoaderOptions options, Gallery* gallery) {
  S2P_RETURN_IF_ERROR(CheckOptions(options));
  return std::unique_ptr<SnapshotLoader>(new SnapshotLoader(std::move(options), gallery));
}

SnapshotLoader::SnapshotLoader(SnapshotLoaderOptions options, Gallery* gallery)
    : options_(std::move(options)),
      checkpoints_(options_.checkpoint_root, options_.data_dir,
                   [gallery](uint64_t bytes) { return gallery->CheckRoom(bytes); }),
      pace_(options_.reembed_share, options_.busy),
      gallery_(gallery) {}

SnapshotLoader::~SnapshotLoader() { Stop(); }

absl::StatusOr<std::vector<int64_t>> SnapshotLoader::Wanted() {
  S2P_ASSIGN_OR_RETURN(std::optional<int64_t> pinned, gallery_->PinnedVersion());
  S2P_ASSIGN_OR_RETURN(std::set<int64_t> versions, checkpoints_.Versions());
  int64_t serving = 0;
  bool changed = false;
  {
    absl::MutexLock lock(&mutex_);
    serving = serving_version_;
    changed = seen_ != versions;
    seen_ = versions;
  }
  if (changed && options_.on_status) options_.on_status();
  std::vector<int64_t> best_first;
  for (auto version = versions.rbegin(); version != versions.rend(); ++version) {
    // A pin rolls back: newer versions are not wanted, whatever happens to the pinned one. While
    // none serves, older ones are better than nothing.
    const bool wanted = pinned.has_value()
                            ? *version == *pinned || (serving == 0 && *version < *pinned)
                            : *version > serving;
    if (wanted && *version != serving) best_first.push_back(*version);
  }
  if (serving == 0 && best_first.empty() && !versions.empty()) {
    return absl::NotFoundError(absl::StrCat(checkpoints_.store().root(), ": version ", *pinned,
                                            " is pinned, but neither published nor adopted"));
  }
  if (serving == 0) PutEmbeddedFirst(&best_first);
  return best_first;
}

void SnapshotLoader::PutEmbeddedFirst(std::vector<int64_t>* versions) const {
  auto first = versions->end();
  int64_t fewest = std::numeric_limits<int64_t>::max();
  for (auto version = versions->begin(); version != versions->end(); ++version) {
    // May be above zero for every version: some items cannot be embedded.
    const absl::StatusOr<int64_t> missing = gallery_->CountWithoutEmbedding(*version);
    if (!missing.ok() || *missing >= fewest) continue;
    fewest = *missing;
    first = version;
  }
  if (first != versions->end()) std::rotate(versions->begin(), first, first + 1);
}

void SnapshotLoader::LookAtFiles(const std::vector<int64_t>& versions) {
  for (int64_t version : versions) {
    {
      absl::MutexLock lock(&mutex_);
      const auto tried = attempted_.find(version);
      const bool serves_or_did = tried != attempted_.end() &&
                                 tried->second.status.state != VersionState::kFailed &&
                                 tried->second.status.state != VersionState::kPublished;
      const Seen& seen = seen_files_[version];
      // A scan may take hours, while a gallery is embedded.
      const bool just_seen =
          seen.last_look == look_ && options_.now() - seen.looked_at < options_.poll_interval;
      if (serves_or_did || just_seen) continue;
    }
    // The store may be slow, so the lock is not held.
    std::string files = checkpoints_.FilesOf(version);
    absl::Status whole = checkpoints_.CheckWhole(version);
    bool is_new = false;
    {
      absl::MutexLock lock(&mutex_);
      Seen& seen = seen_files_[version];
      const bool first = seen.last_look == 0;
      seen.last_look = look_;
      seen.looked_at = options_.now();
      seen.looks = !first && seen.files == files ? seen.looks + 1 : 0;
      seen.files = std::move(files);
      is_new = seen.whole.ok() && !whole.ok();
      seen.whole = whole;
      is_new = is_new && IsIncomplete(version);
    }
    if (!is_new) continue;
    if (options_.on_incomplete) options_.on_incomplete(version, whole);
    if (options_.on_status) options_.on_status();
  }
}

bool SnapshotLoader::IsIncomplete(int64_t version) const {
  const auto seen = seen_files_.find(version);
  return patient_ && seen != seen_files_.end() && !seen->second.whole.ok() &&
         seen->second.looks < options_.patient_looks;
}

bool SnapshotLoader::HasChanged(int64_t version, const Attempted& attempted) const {
  const auto seen = seen_files_.find(version);
  if (seen == seen_files_.end() || seen->second.files == attempted.files) return false;
  return !patient_ || seen->second.looks > 0;
}

SnapshotLoader::Choice SnapshotLoader::Choose(const std::vector<int64_t>& wanted) const {
  absl::Status failure;
  absl::MutexLock lock(&mutex_);
  for (int64_t version : wanted) {
    // Nothing waits for an incomplete version: an older one may serve meanwhile.
    if (IsIncomplete(version)) {
      failure.Update(seen_files_.at(version).whole);
      continue;
    }
    const auto found = attempted_.find(version);
    if (found == attempted_.end() || found->second.status.failure.ok()) return {version, {}};
    const Attempted& attempted = found->second;
    const bool final = IsFinal(attempted.status.failure);
    const bool failed_now = attempted.failed_in_look == look_;
    const bool wait = failed_now || (patient_ && options_.now() < attempted.retry_at);
    if (!final && !wait) return {version, {}};
    if (!failed_now && HasChanged(version, attempted)) return {version, {}};
    failure.Update(attempted.status.failure);
    // This version may still succeed, so the gallery is not embedded for an older one first.
    if (!final && serving_version_ != 0) return {0, failure};
  }
  return {0, failure};
}

absl::Status SnapshotLoader::StillWanted(int64_t version) {
  int64_t serving = 0;
  {
    absl::MutexLock lock(&mutex_);
    interrupted_ = stopping_;
    if (stopping_) return absl::CancelledError("the server is stopping");
    serving = serving_version_;
  }
  absl::StatusOr<std::optional<int64_t>> pinned = gallery_->PinnedVersion();
  if (serving == 0 && pinned.ok() && !pinned->has_value()) return absl::OkStatus();
  absl::StatusOr<std::vector<int64_t>> wanted = Wanted();
  // Errors of the store do not matter: this version is already adopted.
  if (!wanted.ok()) return absl::OkStatus();
  LookAtFiles(*wanted);
  const int64_t best = Choose(*wanted).version;
  if (best == version) return absl::OkStatus();
  absl::MutexLock lock(&mutex_);
  interrupted_ = true;
  return absl::AbortedError(best == 0 ? "another version is pinned"
                                      : absl::StrCat("version ", best, " is to serve instead"));
}

absl::Status SnapshotLoader::StillPinned(int64_t version) {
  int64_t serving = 0;
  {
    absl::MutexLock lock(&mutex_);
    interrupted_ = stopping_;
    if (stopping_) return absl::CancelledError("the server is stopping");
    serving = serving_version_;
  }
  const absl::StatusOr<std::optional<int64_t>> pinned = gallery_->PinnedVersion();
  if (serving == 0 || !pinned.ok() || pinned->value_or(version) == version) {
    return absl::OkStatus();
  }
  absl::MutexLock lock(&mutex_);
  interrupted_ = true;
  return absl::AbortedError("another version is pinned");
}

absl::Status SnapshotLoader::Pause(int64_t version, absl::Duration took) {
  const absl::Duration pause = pace_.PauseAfter(took);
  {
    absl::MutexLock lock(&mutex_);
    const auto called = [this]()
                            ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return stopping_ || woken_; };
    if (pause > absl::ZeroDuration()) wait_.Until(&mutex_, SteadyTime::Now() + pause, called);
    woken_ = false;
  }
  return took == absl::ZeroDuration() ? StillPinned(version) : StillWanted(version);
}

absl::Status SnapshotLoader::Load() { return Look(/*patient=*/false); }

absl::Status SnapshotLoader::Look(bool patient) {
  absl::MutexLock one_at_a_time(&load_mutex_);
  {
    absl::MutexLock lock(&mutex_);
    ++look_;
    patient_ = patient;
  }
  if (options_.on_store) options_.on_store(checkpoints_.CheckStore());
  for (;;) {
    absl::StatusOr<std::vector<int64_t>> wanted = Wanted();
    if (wanted.ok()) LookAtFiles(*wanted);
    const auto [version, failure] = wanted.ok() ? Choose(*wanted) : Choice{0, wanted.status()};
    if (version == 0) {
      absl::MutexLock lock(&mutex_);
      if (serving_version_ != 0) return absl::OkStatus();
      if (!failure.ok()) return failure;
      return absl::NotFoundError(
          absl::StrCat(checkpoints_.store().root(), ": no checkpoint is published here"));
    }
    {
      absl::MutexLock lock(&mutex_);
      interrupted_ = false;
    }
    absl::Status status = TryToServe(version);
    if (status.ok()) continue;
    bool interrupted = false, stopping = false;
    {
      absl::MutexLock lock(&mutex_);
      // Cancelled: the training of an index sees the stop request first.
      stopping = stopping_ || absl::IsCancelled(status);
      interrupted = interrupted_ || stopping;
    }
    if (!interrupted) {
      NoteFailed(version, status);
      continue;
    }
    NoteInterrupted(version);
    if (stopping) return status;
  }
}

absl::Status SnapshotLoader::TryToServe(int64_t version) {
  try {
    return Serve(version);
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError("there is not enough main memory to load the model");
  } catch (const std::exception& error) {
    return absl::InternalError(error.what());
  }
}

absl::Status SnapshotLoader::Serve(int64_t version) {
  // From the second version on, searches run meanwhile and come first.
  if (IsBackground()) LowerThreadPriority();
  Note(version, VersionState::kLoading);
  S2P_ASSIGN_OR_RETURN(Checkpoint checkpoint, checkpoints_.Adopt(version));
  S2P_ASSIGN_OR_RETURN(std::unique_ptr<const Encoder> loaded, options_.load_encoder(checkpoint));
  // The encoder has its own copy, and embedding a gallery may take long.
  checkpoint.weights.clear();
  const std::shared_ptr<const Encoder> encoder = std::move(loaded);
  if (encoder->version() != version) {
    return absl::InternalError(absl::StrCat("the encoder claims to be version ", encoder->version(),
                                            " instead of ", version));
  }
  absl::Status status = StillWanted(version);
  if (status.ok()) status = WarmUp(*encoder);
  if (status.ok()) status = Embed(encoder);
  if (!status.ok()) return status;
  NoteServing(*encoder);
  return absl::OkStatus();
}

absl::Status SnapshotLoader::WarmUp(const Encoder& encoder) {
  Note(encoder.version(), VersionState::kWarming);
  constexpr int kPixels = 96;
  const Image image(kPixels, kPixels, 128);
  for (int size : options_.warm_up_batch_sizes) {
    for (const v1::Modality modality : {v1::MODALITY_PHOTO, v1::MODALITY_SKETCH}) {
      const std::vector<EncoderInput> batch(static_cast<size_t>(size), {&image, modality});
      for (int pass = 0; pass < options_.warm_up_passes; ++pass) {
        const SteadyTime start = SteadyTime::Now();
        absl::Status status = encoder.Encode(batch).status();
        if (status.ok()) status = Pause(encoder.version(), SteadyTime::Now() - start);
        if (!status.ok()) return status;
      }
    }
  }
  return absl::OkStatus();
}

absl::Status SnapshotLoader::Embed(const std::shared_ptr<const Encoder>& encoder) {
  const int64_t version = encoder->version();
  const SteadyTime start = options_.now();
  ActivationCallbacks callbacks;
  callbacks.progress = [&](int64_t done, int64_t total) {
    const double ratio = total == 0 ? 1 : static_cast<double>(done) / static_cast<double>(total);
    const absl::Duration eta =
        ratio > 0 ? (options_.now() - start) * (1 / ratio - 1) : absl::InfiniteDuration();
    Note(version, VersionState::kEmbedding, ratio, eta);
  };
  callbacks.on_left_out = options_.on_left_out;
  callbacks.after_batch = [this, version](absl::Duration took) { return Pause(version, took); };
  return gallery_->Activate(encoder, callbacks);
}

absl::Status SnapshotLoader::SetServingVersion(std::optional<int64_t> version) {
  {
    absl::MutexLock one_at_a_time(&pin_mutex_);
    if (version) {
      S2P_ASSIGN_OR_RETURN(std::set<int64_t> versions, checkpoints_.Versions());
      if (versions.count(*version) == 0) {
        return absl::NotFoundError(absl::StrCat("version: ", *version, " is not known"));
      }
    }
    S2P_RETURN_IF_ERROR(gallery_->SetPinnedVersion(version));
    absl::MutexLock lock(&mutex_);
    if (version) {
      // The caller may have fixed a failed version before pinning it.
      const auto known = attempted_.find(*version);
      if (known != attempted_.end() && known->second.status.state == VersionState::kFailed) {
        attempted_.erase(known);
      }
    }
    woken_ = true;
    wait_.NotifyAll();
  }
  if (options_.on_status) options_.on_status();
  return absl::OkStatus();
}

void SnapshotLoader::Start() {
  if (!thread_.joinable()) thread_ = std::thread([this] { Run(); });
}

void SnapshotLoader::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
    wait_.NotifyAll();
  }
  if (thread_.joinable()) thread_.join();
}

void SnapshotLoader::Run() {
  for (;;) {
    // The version's status reports a failure.
    Look(/*patient=*/true).IgnoreError();
    absl::MutexLock lock(&mutex_);
    const auto called = [this]()
                            ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return stopping_ || woken_; };
    wait_.Until(&mutex_, SteadyTime::Now() + options_.poll_interval, called);
    if (stopping_) return;
    woken_ = false;
  }
}

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
