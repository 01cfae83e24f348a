#include "server/gallery/write_log.h"

namespace s2p {

WriteLog::Reader::Reader(WriteLog* log) : log_(log) {
  absl::MutexLock lock(&log_->mutex_);
  log_->written_[this];
}

WriteLog::Reader::~Reader() {
  std::set<std::string> unread;
  absl::MutexLock lock(&log_->mutex_);
  unread.swap(log_->written_[this]);
  log_->written_.erase(this);
}

std::vector<std::string> WriteLog::Reader::Take() {
  std::set<std::string> ids;
  {
    absl::MutexLock lock(&log_->mutex_);
    ids.swap(log_->written_[this]);
  }
  return {ids.begin(), ids.end()};
}

void WriteLog::Record(const std::string& photo_id) {
  absl::MutexLock lock(&mutex_);
  for (auto& [reader, ids] : written_) ids.insert(photo_id);
}

}  // namespace s2p
