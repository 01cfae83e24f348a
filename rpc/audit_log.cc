#include "rpc/audit_log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "daemon/reload_signal.h"

namespace s2p {
namespace {

constexpr size_t kMostIds = 100;

std::vector<LogField> FieldsOf(const AuditEntry& entry) {
  const size_t shown = std::min(entry.ids.size(), kMostIds);
  std::vector<LogField> fields = {{"key", entry.caller.name},
                                  {"address", entry.caller.address},
                                  {"method", entry.method},
                                  LogField::List("ids", absl::MakeSpan(entry.ids).first(shown)),
                                  {"count", entry.count},
                                  {"code", entry.code},
                                  {"request_id", entry.request_id}};
  if (!entry.caller.user.empty()) fields.emplace_back("user", entry.caller.user);
  return fields;
}

// Whether the last line of a file of `size` bytes has no end; nullopt if the file cannot be read.
std::optional<bool> EndsInMidLine(const std::string& path, off_t size) {
  if (size == 0) return false;
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return std::nullopt;
  char last = 0;
  const ssize_t count = pread(file, &last, 1, size - 1);
  close(file);
  if (count != 1) return std::nullopt;
  return last != '\n';
}

}  // namespace

absl::StatusOr<std::unique_ptr<AuditLog>> AuditLog::Open(const std::string& path,
                                                         RpcMetrics* metrics) {
  std::unique_ptr<AuditLog> log(new AuditLog(path, metrics));
  if (path.empty()) return log;
  absl::MutexLock lock(&log->mutex_);
  S2P_RETURN_IF_ERROR(log->Reopen());
  return log;
}

AuditLog::AuditLog(std::string path, RpcMetrics* metrics)
    : path_(std::move(path)), metrics_(*metrics) {}

AuditLog::~AuditLog() {
  absl::MutexLock lock(&mutex_);
  if (file_ >= 0) close(file_);
}

absl::Status AuditLog::Reopen() {
  // Counts as seen only once the file is open: after a failure the next entry tries again.
  const uint64_t signals = ReloadSignals();
  const int file = open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
  if (file < 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("--audit-log: cannot open ", path_));
  }
  if (file_ >= 0) close(file_);
  file_ = file;
  signals_ = signals;
  struct stat attributes = {};
  if (fstat(file_, &attributes) == 0 && S_ISREG(attributes.st_mode)) {
    is_torn_ = EndsInMidLine(path_, attributes.st_size).value_or(is_torn_);
  }
  return absl::OkStatus();
}

absl::Status AuditLog::Append(const std::string& line) {
  absl::MutexLock lock(&mutex_);
  // After SIGHUP no entry may go into the former file.
  if (signals_ != ReloadSignals()) S2P_RETURN_IF_ERROR(Reopen());
  const std::string text = absl::StrCat(is_torn_ ? "\n" : "", line, "\n");
  size_t written = 0;
  while (written < text.size()) {
    const ssize_t count = write(file_, text.data() + written, text.size() - written);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      const int error = errno;
      is_torn_ = is_torn_ || written > 0;
      return absl::ErrnoToStatus(error, absl::StrCat("cannot write ", path_));
    }
    written += static_cast<size_t>(count);
  }
  is_torn_ = false;
  return absl::OkStatus();
}

void AuditLog::Write(const AuditEntry& entry) {
  std::vector<LogField> fields = FieldsOf(entry);
  if (path_.empty()) {
    if (entry.is_part) {
      LogDebug("change", fields);
    } else {
      LogInfo("change", fields);
    }
    return;
  }
  fields.insert(fields.begin(),
                LogField("time", absl::FormatTime("%Y-%m-%d%ET%H:%M:%E3SZ", entry.when,
                                                  absl::UTCTimeZone())));
  const absl::Status status = Append(JsonObject(fields));
  if (status.ok()) return;
  metrics_.CountAuditFailure();
  fields.emplace_back("reason", status);
  LogError("change that the audit log lacks", fields);
}

}  // namespace s2p
