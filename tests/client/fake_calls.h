// The gate that every call of a fake server passes before it does anything.
#ifndef S2P_TESTS_CLIENT_FAKE_CALLS_H_
#define S2P_TESTS_CLIENT_FAKE_CALLS_H_

#include <grpcpp/grpcpp.h>

#include <string>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"

namespace s2p::test {

// Thread-safe.
class FakeCalls {
 public:
  // Calls without "Bearer `key`" fail with Unauthenticated.
  void RequireKey(const std::string& key) {
    absl::MutexLock lock(&mutex_);
    key_ = key;
  }
  // The call after the next `after` ones fails with this.
  void FailNext(absl::Status status, int after = 0) {
    absl::MutexLock lock(&mutex_);
    next_failure_ = std::move(status);
    calls_before_failure_ = after;
  }
  // The next call fails with ResourceExhausted, and with the time after which to come back.
  void FailNextAsBusy(const std::string& message, int after_ms) {
    absl::MutexLock lock(&mutex_);
    next_failure_ = absl::ResourceExhaustedError(message);
    calls_before_failure_ = 0;
    next_pushback_ms_ = after_ms;
  }
  // The next call does nothing until its client cancels it.
  void HoldNext() {
    absl::MutexLock lock(&mutex_);
    holds_next_ = true;
  }
  // The person whom the last call named; empty if none.
  std::string last_user() const {
    absl::MutexLock lock(&mutex_);
    return last_user_;
  }
  // Returns when a held call has come, or has been cancelled.
  void AwaitHeld() { held_.WaitForNotification(); }
  void AwaitCancelled() { cancelled_.WaitForNotification(); }

  grpc::Status Admit(grpc::ServerContext& context) {
    // Our servers send the id, too.
    context.AddTrailingMetadata("x-request-id", "fake");
    if (TakeHold()) {
      held_.Notify();
      while (!context.IsCancelled()) std::this_thread::yield();
      cancelled_.Notify();
      return grpc::Status::CANCELLED;
    }
    absl::MutexLock lock(&mutex_);
    const auto user = context.client_metadata().find("x-s2p-user-bin");
    last_user_ = user == context.client_metadata().end()
                     ? ""
                     : std::string(user->second.data(), user->second.size());
    const auto sent = context.client_metadata().find("authorization");
    if (!key_.empty() && (sent == context.client_metadata().end() ||
                          sent->second != grpc::string_ref(absl::StrCat("Bearer ", key_)))) {
      return {grpc::StatusCode::UNAUTHENTICATED, "no key"};
    }
    if (calls_before_failure_ > 0) {
      --calls_before_failure_;
      return grpc::Status::OK;
    }
    const absl::Status failure = std::exchange(next_failure_, absl::OkStatus());
    if (const int after_ms = std::exchange(next_pushback_ms_, 0); after_ms > 0) {
      context.AddTrailingMetadata("grpc-retry-pushback-ms", absl::StrCat(after_ms));
    }
    return {static_cast<grpc::StatusCode>(failure.code()), std::string(failure.message())};
  }

 private:
  bool TakeHold() {
    absl::MutexLock lock(&mutex_);
    return std::exchange(holds_next_, false);
  }

  absl::Notification held_;
  absl::Notification cancelled_;
  mutable absl::Mutex mutex_;
  std::string last_user_ ABSL_GUARDED_BY(mutex_);
  bool holds_next_ ABSL_GUARDED_BY(mutex_) = false;
  std::string key_ ABSL_GUARDED_BY(mutex_);
  absl::Status next_failure_ ABSL_GUARDED_BY(mutex_);
  int calls_before_failure_ ABSL_GUARDED_BY(mutex_) = 0;
  // 0: none is sent.
  int next_pushback_ms_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace s2p::test

#endif  // S2P_TESTS_CLIENT_FAKE_CALLS_H_
