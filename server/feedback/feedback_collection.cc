#include "server/feedback/feedback_collection.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "daemon/log.h"
#include "model/sha256.h"
#include "server/faults/storage_fault.h"
#include "server/feedback/feedback_fault.h"

namespace s2p {
namespace {

// Entries that one look at the store reads, so that writes wait only briefly.
constexpr int kPage = 256;
constexpr size_t kIdDigits = 32;
constexpr char kIdentity[] = "identity";

DiskReserve ReserveOf(const FeedbackOptions& options, const std::string& folder) {
  if (options.measure_disk) return DiskReserve(options.min_free, options.measure_disk);
  return DiskReserve(options.min_free, [folder] { return MeasureDiskSpace(folder); });
}

std::string ContentDigest(const NewFeedback& feedback, const std::string& photo_sha256,
                          Verdict verdict) {
  return Sha256(absl::StrCat(feedback.photo_id, "\n", photo_sha256, "\n", static_cast<int>(verdict),
                             "\n", feedback.sketch.sha256));
}

Verdict OppositeOf(Verdict verdict) {
  return verdict == Verdict::kMatch ? Verdict::kNoMatch : Verdict::kMatch;
}

std::string IdentityOf(const GalleryItem& photo) {
  const auto identity = photo.metadata.find(kIdentity);
  return identity == photo.metadata.end() || identity->second.empty() ? photo.photo_id
                                                                      : identity->second;
}

ConfirmedPair PairOf(const FeedbackRecord& record, const GalleryItem& photo) {
  ConfirmedPair pair;
  pair.feedback_id = record.feedback_id;
  pair.digest = record.digest;
  pair.sketch_bytes = record.sketch_bytes;
  pair.photo_id = photo.photo_id;
  pair.photo_sha256 = photo.sha256;
  pair.photo_bytes = photo.bytes;
  pair.photo_content_type = photo.content_type;
  pair.identity = IdentityOf(photo);
  return pair;
}

}  // namespace

std::string FeedbackFileOf(const std::string& data_dir) {
  return absl::StrCat(data_dir, "/feedback.db");
}

void WarnOfFormerDataSet(const std::string& folder) {
  std::error_code ignored;
  if (folder.empty() || !std::filesystem::exists(folder, ignored)) return;
  LogWarning(
      "an earlier start wrote a data set of feedback that this one does not: drawings that are "
      "forgotten and photos that are deleted stay in it; start with it as --feedback-dataset, or "
      "delete it if no other server writes it",
      {{"folder", folder}});
}

absl::StatusOr<std::unique_ptr<FeedbackCollection>> FeedbackCollection::Open(
    const FeedbackOptions& options, const Gallery* gallery) {
  S2P_ASSIGN_OR_RETURN(auto store, FeedbackStore::Open(FeedbackFileOf(options.data_dir)));
  std::unique_ptr<PairFolder> folder;
  if (!options.data_set.empty()) {
    auto opened = PairFolder::Open(options.data_set, store->id());
    if (absl::IsFailedPrecondition(opened.status())) return opened.status();
    if (opened.ok()) folder = *std::move(opened);
  }
  auto collection = absl::WrapUnique(
      new FeedbackCollection(options, gallery, std::move(store), std::move(folder)));
  // A store or data set that cannot be written now is a fault, and no reason to keep searches
  // waiting.
  collection->StoreWrote({}).IgnoreError();
  FeedbackFault(*options.faults, FeedbackPart::kStore, collection->RememberDataSet()).IgnoreError();
  collection->UpdateDataSet().IgnoreError();
  return collection;
}

FeedbackCollection::FeedbackCollection(const FeedbackOptions& options, const Gallery* gallery,
                                       std::unique_ptr<FeedbackStore> store,
                                       std::unique_ptr<PairFolder> folder)
    : options_(options),
      gallery_(*gallery),
      faults_(*options.faults),
      reserve_(ReserveOf(options, options.data_dir)),
      data_set_reserve_(ReserveOf(options, options.data_set)),
      store_(std::move(store)),
      folder_(std::move(folder)),
      write_([this] { return WriteDataSet(); }),
      retry_(options.retry_after, [this] { WriteDue(); }) {}

// A review that may have changed the store, and not yet the data set.
class FeedbackCollection::Reviewing {
 public:
  explicit Reviewing(FeedbackCollection* collection) : collection_(*collection) {
    absl::MutexLock lock(&collection_.mutex_);
    ++collection_.reviewing_;
  }
  ~Reviewing() {
    absl::MutexLock lock(&collection_.mutex_);
    --collection_.reviewing_;
  }

 private:
  FeedbackCollection& collection_;
};

// Keeps entries out of the data set while they are being forgotten.
class FeedbackCollection::Leaving {
 public:
  Leaving(FeedbackCollection* collection, absl::Span<const std::string> feedback_ids)
      : collection_(*collection), feedback_ids_(feedback_ids) {
    absl::MutexLock lock(&collection_.mutex_);
    collection_.leaving_.insert(feedback_ids_.begin(), feedback_ids_.end());
  }
  ~Leaving() { End(); }
  void End() {
    absl::MutexLock lock(&collection_.mutex_);
    for (const std::string& id : std::exchange(feedback_ids_, {})) {
      collection_.leaving_.erase(collection_.leaving_.find(id));
    }
  }

 private:
  FeedbackCollection& collection_;
  absl::Span<const std::string> feedback_ids_;
};

template <typename Result>
Result FeedbackCollection::Told(Result result) const {
  if (result.ok()) return result;
  return FeedbackFault(faults_, FeedbackPart::kStore, result.status());
}

absl::Status FeedbackCollection::CheckRoom(uint64_t bytes) const {
  const absl::Status room = reserve_.Check(bytes);
  if (room.ok()) return room;
  FeedbackFault(faults_, FeedbackPart::kStore, room).IgnoreError();
  return absl::ResourceExhaustedError(
      "the server's disk is nearly full (--min-free): drawings are refused until some space is "
      "free");
}

absl::Status FeedbackCollection::StoreWrote(const std::vector<bool>& written) {
  const absl::Status erased = store_->CheckErased();
  if (!erased.ok()) {
    erasure_failed_ = true;
    retry_.Wake();
    return FeedbackFault(faults_, FeedbackPart::kStore, erased);
  }
  // A transaction without a write proves nothing; a log that was emptied at last does.
  const bool works = erasure_failed_.exchange(false) ||
                     std::find(written.begin(), written.end(), true) != written.end();
  if (works) FeedbackWorks(faults_, FeedbackPart::kStore, reserve_.Check(0).ok());
  return absl::OkStatus();
}

absl::StatusOr<FeedbackStore::Inserted> FeedbackCollection::Record(const NewFeedback& feedback) {
  S2P_ASSIGN_OR_RETURN(const auto photo, gallery_.Get(feedback.photo_id));
  if (photo->modality == v1::MODALITY_SKETCH) {
    return absl::InvalidArgumentError("photo_id: is a sketch of the gallery, not a photo");
  }
  S2P_RETURN_IF_ERROR(CheckRoom(feedback.sketch.png.size()));
  FeedbackRecord record;
  record.digest = ContentDigest(feedback, photo->sha256, feedback.verdict);
  record.feedback_id =
      feedback.feedback_id.empty() ? record.digest.substr(0, kIdDigits) : feedback.feedback_id;
  record.photo_id = feedback.photo_id;
  record.photo_sha256 = photo->sha256;
  record.verdict = feedback.verdict;
  record.recorded_by = feedback.recorded_by;
  record.recorded_at = options_.now();
  record.sketch_width = feedback.sketch.width;
  record.sketch_height = feedback.sketch.height;
  auto inserted =
      store_->Insert(record, feedback.sketch.png, options_.max_bytes,
                     ContentDigest(feedback, photo->sha256, OppositeOf(feedback.verdict)));
  if (absl::IsOutOfRange(inserted.status())) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the server keeps as many drawings as it may, ", options_.max_bytes,
                     " bytes (--max-feedback-bytes); its operator has to forget some"));
  }
  // The entry is durable. An earlier verdict that is not overwritten yet is a fault.
  if (inserted.ok()) StoreWrote({inserted->is_new, inserted->replaced}).IgnoreError();
  return Told(std::move(inserted));
}

absl::StatusOr<std::vector<bool>> FeedbackCollection::Review(
    absl::Span<const std::string> feedback_ids, FeedbackState state) {
  const Reviewing reviewing(this);
  S2P_ASSIGN_OR_RETURN(auto reviewed, Told(store_->SetState(feedback_ids, state, options_.now())));
  // The review is durable; a data set that lags behind is a fault, and written later.
  if (reviewed.matches_changed) UpdateDataSet().IgnoreError();
  StoreWrote(reviewed.found).IgnoreError();
  return std::move(reviewed.found);
}

absl::StatusOr<std::vector<bool>> FeedbackCollection::Forget(
    absl::Span<const std::string> feedback_ids) {
  Leaving leaving(this, feedback_ids);
  S2P_ASSIGN_OR_RETURN(const bool has_match, Told(store_->HasMatchAmong(feedback_ids)));
  // The data set may still have an entry that was rejected.
  const bool has_copies = has_match || data_set_lags();
  if (has_copies) {
    S2P_RETURN_IF_ERROR(UpdateDataSet());
  }
  auto found = Told(store_->Remove(feedback_ids));
  if (!found.ok()) {
    // The entries stay after all, so the data set has them again.
    leaving.End();
    if (has_copies) UpdateDataSet().IgnoreError();
    return found;
  }
  const absl::Status erased = StoreWrote(*found);
  if (erased.ok()) return found;
  return absl::Status(erased.code(),
                      absl::StrCat("the entries are removed, but not yet overwritten on the disk; "
                                   "send this again: ",
                                   erased.message()));
}

absl::Status FeedbackCollection::PhotosChanged(absl::Span<const std::string> photo_ids) {
  if (!has_data_set()) return absl::OkStatus();
  S2P_ASSIGN_OR_RETURN(const bool has_match, Told(store_->HasMatchOf(photo_ids)));
  // The data set may still have a photo whose matches were rejected.
  return has_match || data_set_lags() ? UpdateDataSet() : absl::OkStatus();
}

absl::Status FeedbackCollection::PhotoAdded(const std::string& photo_id) {
  if (!has_data_set()) return absl::OkStatus();
  S2P_ASSIGN_OR_RETURN(const bool has_match, Told(store_->HasMatchOf({&photo_id, 1})));
  return has_match ? UpdateDataSet() : absl::OkStatus();
}

absl::StatusOr<FeedbackRecord> FeedbackCollection::Find(const std::string& feedback_id) const {
  return Told(store_->Find(feedback_id));
}

absl::StatusOr<std::string> FeedbackCollection::ReadSketch(const std::string& feedback_id) const {
  return Told(store_->ReadSketch(feedback_id));
}

absl::StatusOr<std::vector<StoredFeedback>> FeedbackCollection::List(const FeedbackFilter& filter,
                                                                     int64_t after,
                                                                     int limit) const {
  return Told(store_->List(filter, after, limit));
}

absl::StatusOr<std::shared_ptr<const GalleryItem>> FeedbackCollection::CurrentPhoto(
    const FeedbackRecord& record) const {
  const std::shared_ptr<const GalleryItem> none;
  auto photo = gallery_.Get(record.photo_id);
  if (absl::IsNotFound(photo.status())) return none;
  if (!photo.ok()) return photo.status();
  const bool same =
      (*photo)->sha256 == record.photo_sha256 && (*photo)->modality != v1::MODALITY_SKETCH;
  return same ? *photo : none;
}

absl::StatusOr<std::vector<StoredFeedback>> FeedbackCollection::NextMatches(
    const std::string& photo_id, int64_t place) const {
  return Told(store_->ListMatches(photo_id, place, kPage));
}

absl::StatusOr<ExportedMatch> FeedbackCollection::Export(const std::string& feedback_id) const {
  ExportedMatch match;
  S2P_ASSIGN_OR_RETURN(match.record, Find(feedback_id));
  S2P_ASSIGN_OR_RETURN(match.photo, CurrentPhoto(match.record));
  if (match.photo == nullptr || !IsAcceptedMatch(match.record)) {
    return absl::NotFoundError(absl::StrCat("feedback_id '", feedback_id, "' is not exported"));
  }
  match.identity = IdentityOf(*match.photo);
  return match;
}

absl::StatusOr<std::vector<ConfirmedPair>> FeedbackCollection::Pairs(
    const std::multiset<std::string>& leaving) const {
  std::vector<ConfirmedPair> pairs;
  std::string last_photo;
  int64_t place = 0;
  for (;;) {
    S2P_ASSIGN_OR_RETURN(const auto page, NextMatches(last_photo, place));
    for (const StoredFeedback& stored : page) {
      last_photo = stored.record.photo_id;
      place = stored.place;
      if (leaving.count(stored.record.feedback_id) > 0) continue;
      S2P_ASSIGN_OR_RETURN(const auto photo, CurrentPhoto(stored.record));
      if (photo != nullptr) pairs.push_back(PairOf(stored.record, *photo));
    }
    if (page.size() < static_cast<size_t>(kPage)) return pairs;
  }
}

absl::Status FeedbackCollection::RememberDataSet() {
  const std::string former = store_->data_set();
  std::string current;
  if (has_data_set()) {
    std::error_code error;
    const auto path = std::filesystem::absolute(options_.data_set, error);
    if (error) return absl::ErrnoToStatus(error.value(), options_.data_set);
    current = path.lexically_normal().string();
  }
  if (current == former) return absl::OkStatus();
  WarnOfFormerDataSet(former);
  // Without a data set the former one stays the one to warn of.
  return has_data_set() ? store_->SetDataSet(current) : absl::OkStatus();
}

absl::Status FeedbackCollection::UpdateDataSet() {
  return has_data_set() ? write_.Run() : absl::OkStatus();
}

bool FeedbackCollection::data_set_lags() const {
  absl::MutexLock lock(&mutex_);
  return data_set_stale_ || reviewing_ > 0;
}

void FeedbackCollection::WriteDue() {
  // Another call may have emptied the log between a failed one's look at the store and its report.
  if (erasure_failed_ || !store_->CheckErased().ok()) {
    store_->Erase();
    StoreWrote({}).IgnoreError();
  }
  bool due = false;
  {
    absl::MutexLock lock(&mutex_);
    due = data_set_stale_ || data_set_late_;
  }
  if (due) UpdateDataSet().IgnoreError();
}

absl::Status FeedbackCollection::WriteDataSet() {
  std::multiset<std::string> leaving;
  {
    absl::MutexLock lock(&mutex_);
    leaving = leaving_;
  }
  bool is_late = false;
  const absl::Status written = WritePairs(leaving, is_late);
  absl::MutexLock lock(&mutex_);
  data_set_stale_ = !written.ok();
  data_set_late_ = is_late;
  if (data_set_stale_ || data_set_late_) retry_.Wake();
  return written;
}

// The pairs that a write leaves out.
struct FeedbackCollection::LeftOut {
  struct Reason {
    int64_t pairs = 0;
    // The first of these pairs.
    std::string feedback_id;
    std::string photo_id;
    absl::Status why;
  };
  std::map<absl::StatusCode, Reason> reasons;
};

absl::Status FeedbackCollection::WritePairs(const std::multiset<std::string>& leaving,
                                            bool& is_late) {
  S2P_ASSIGN_OR_RETURN(const auto pairs, Pairs(leaving));
  S2P_RETURN_IF_ERROR(OpenFolder());
  LeftOut left_out;
  const absl::Status written = AsStorageError(folder_->Write(pairs, DataSetSources(left_out)));
  pairs_ = folder_->pairs();
  LogLeftOut(left_out);
  bool is_full = false;
  for (const auto& [code, reason] : left_out.reasons) {
    // A photo that is damaged or gone comes back with a change of its own.
    if (code == absl::StatusCode::kDataLoss || code == absl::StatusCode::kNotFound) continue;
    is_late = true;
    if (code != absl::StatusCode::kResourceExhausted) continue;
    is_full = true;
    FeedbackFault(faults_, FeedbackPart::kDataSet, reason.why).IgnoreError();
  }
  if (written.ok()) FeedbackWorks(faults_, FeedbackPart::kDataSet, !is_full);
  return FeedbackFault(faults_, FeedbackPart::kDataSet, written);
}

absl::Status FeedbackCollection::OpenFolder() {
  if (folder_ != nullptr) return absl::OkStatus();
  auto opened = PairFolder::Open(options_.data_set, store_->id());
  if (!opened.ok()) {
    return FeedbackFault(faults_, FeedbackPart::kDataSet, AsStorageError(opened.status()));
  }
  folder_ = *std::move(opened);
  return absl::OkStatus();
}

PairFolder::Sources FeedbackCollection::DataSetSources(LeftOut& left_out) const {
  PairFolder::Sources sources;
  sources.photo = [this](const ConfirmedPair& pair) {
    GalleryItem item;
    item.photo_id = pair.photo_id;
    item.sha256 = pair.photo_sha256;
    item.bytes = pair.photo_bytes;
    return gallery_.ReadBlob(item);
  };
  sources.sketch = [this](const ConfirmedPair& pair) {
    return Told(store_->ReadSketch(pair.feedback_id));
  };
  sources.check_room = [this](uint64_t bytes) { return data_set_reserve_.Check(bytes); };
  sources.on_left_out = [&left_out](const ConfirmedPair& pair, const absl::Status& why) {
    LeftOut::Reason& reason = left_out.reasons[why.code()];
    if (++reason.pairs > 1) return;
    reason.feedback_id = pair.feedback_id;
    reason.photo_id = pair.photo_id;
    reason.why = why;
  };
  return sources;
}

void FeedbackCollection::LogLeftOut(const LeftOut& left_out) {
  std::map<absl::StatusCode, int64_t> logged;
  for (const auto& [code, reason] : left_out.reasons) {
    logged[code] = reason.pairs;
    const auto before = logged_left_out_.find(code);
    if (before != logged_left_out_.end() && before->second == reason.pairs) continue;
    LogWarning("left pairs out of the data set of feedback",
               {{"pairs", reason.pairs},
                {"first_feedback_id", reason.feedback_id},
                {"first_photo_id", reason.photo_id},
                {"reason", reason.why}});
  }
  logged_left_out_ = std::move(logged);
}

}  // namespace s2p
