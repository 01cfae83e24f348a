#include "server/faults/faults.h"

#include "daemon/log.h"

namespace s2p {
namespace {

constexpr size_t kMostSubjects = 1000;

}  // namespace

const char* FaultName(FaultKind kind) {
  switch (kind) {
    case FaultKind::kStoreUnreadable:
      return "store_unreadable";
    case FaultKind::kPhotoMissing:
      return "photo_missing";
    case FaultKind::kPhotoDamaged:
      return "photo_damaged";
    case FaultKind::kDiskFull:
      return "disk_full";
    case FaultKind::kDataReadOnly:
      return "data_read_only";
    case FaultKind::kCatalogueFailed:
      return "catalogue_failed";
    case FaultKind::kDecoderFailed:
      return "decoder_failed";
  }
  return "unknown";
}

void Faults::Report(FaultKind kind, const std::string& subject, const std::string& message,
                    const absl::Status& reason) {
  const absl::Time now = options_.now();
  bool is_new = false;
  {
    absl::MutexLock lock(&mutex_);
    Record& record = records_[static_cast<size_t>(kind)];
    if (record.broken.empty()) record.fault.first_seen_at = now;
    record.fault.last_seen_at = now;
    record.fault.message = message;
    ++record.fault.count;
    if (record.broken.size() < kMostSubjects) is_new = record.broken.insert(subject).second;
  }
  if (is_new) LogError("fault", {{"kind", FaultName(kind)}, {"reason", reason}});
  if (options_.on_report) options_.on_report(kind);
  if (is_new && options_.on_change) options_.on_change();
}

void Faults::Resolve(FaultKind kind, const std::string& subject) {
  bool last = false;
  {
    absl::MutexLock lock(&mutex_);
    Record& record = records_[static_cast<size_t>(kind)];
    if (record.broken.erase(subject) == 0) return;
    last = record.broken.empty();
  }
  if (last) LogInfo("fault is over", {{"kind", FaultName(kind)}});
  if (options_.on_change) options_.on_change();
}

std::vector<Fault> Faults::Current() const {
  std::vector<Fault> current;
  absl::MutexLock lock(&mutex_);
  for (size_t i = 0; i < kFaultKinds; ++i) {
    if (records_[i].broken.empty()) continue;
    current.push_back(records_[i].fault);
    current.back().kind = static_cast<FaultKind>(i);
  }
  return current;
}

}  // namespace s2p
