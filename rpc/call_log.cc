#include "rpc/call_log.h"

#include <utility>

#include "daemon/log.h"
#include "rpc/grpc_status.h"

namespace s2p {
namespace {

bool IsOurFault(absl::StatusCode code) {
  return code == absl::StatusCode::kInternal || code == absl::StatusCode::kUnknown ||
         code == absl::StatusCode::kDataLoss;
}

}  // namespace

int64_t CallLog::TakeSlowLine(SteadyTime now) {
  absl::MutexLock lock(&mutex_);
  if (now - second_ >= absl::Seconds(1)) {
    second_ = now;
    lines_ = 0;
  }
  if (lines_ >= options_.max_slow_lines) {
    ++left_out_;
    return -1;
  }
  ++lines_;
  const int64_t left_out = left_out_;
  left_out_ = 0;
  return left_out;
}

void CallLog::Ended(const CallRecord& call, const std::string& request_id, const std::string& peer,
                    const absl::Status& status, SteadyTime now) {
  const absl::Duration total = now - call.start;
  const std::string key = call.caller ? call.caller->name : "";
  if (IsOurFault(status.code())) {
    LogError("call failed", {{"method", call.method},
                             {"request_id", request_id},
                             {"key", key},
                             {"peer", peer},
                             {"total", total},
                             {"status", status}});
  }
  const bool slow =
      options_.slow > absl::ZeroDuration() && total > options_.slow && !call.is_stream;
  const int64_t left_out = slow ? TakeSlowLine(now) : -1;
  if (left_out >= 0) {
    std::vector<LogField> fields = {{"method", call.method},
                                    {"code", CodeName(status.code())},
                                    {"request_id", request_id},
                                    {"key", key},
                                    {"peer", peer},
                                    {"total", total}};
    if (call.details != nullptr) {
      for (LogField& detail : call.details()) fields.push_back(std::move(detail));
    }
    fields.emplace_back("left_out", left_out);
    LogWarning("slow call", fields);
  }
  LogDebug("call", {{"method", call.method},
                    {"code", CodeName(status.code())},
                    {"request_id", request_id},
                    {"key", key},
                    {"total", total}});
}

}  // namespace s2p
