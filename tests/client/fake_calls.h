// What happens to every call of a fake server, before it does anything.
#ifndef S2P_TESTS_CLIENT_FAKE_CALLS_H_
#define S2P_TESTS_CLIENT_FAKE_CALLS_H_

#include <grpcpp/grpcpp.h>

#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"

namespace s2p::test {

// Thread-safe.
class FakeCalls {
 public:
  // Calls without "Bearer `key`" fail with Unauthenticated.
  void RequireKey(const std::string& key) {
    absl::MutexLock lock(&mutex_);
    key_ = key;
  }
  // The next call fails with this.
  void FailNext(absl::Status status) {
    absl::MutexLock lock(&mutex_);
    next_failure_ = std::move(status);
  }

  grpc::Status Admit(const grpc::ServerContext& context) {
    absl::MutexLock lock(&mutex_);
    const auto sent = context.client_metadata().find("authorization");
    if (!key_.empty() && (sent == context.client_metadata().end() ||
                          sent->second != grpc::string_ref(absl::StrCat("Bearer ", key_)))) {
      return {grpc::StatusCode::UNAUTHENTICATED, "no key"};
    }
    const absl::Status failure = std::exchange(next_failure_, absl::OkStatus());
    return {static_cast<grpc::StatusCode>(failure.code()), std::string(failure.message())};
  }

 private:
  absl::Mutex mutex_;
  std::string key_ ABSL_GUARDED_BY(mutex_);
  absl::Status next_failure_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace s2p::test

#endif  // S2P_TESTS_CLIENT_FAKE_CALLS_H_
