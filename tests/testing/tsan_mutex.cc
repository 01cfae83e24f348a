// Shows ThreadSanitizer the order that absl's locks establish.
//
// The system's Abseil is built without the sanitizer, which therefore sees no lock in absl::Mutex
// and reports every access that it guards as a race. The linker's --wrap sends our calls through
// this file, which announces the happens-before order of each lock to the sanitizer. CMake defines
// S2P_ABSL_NAMESPACE, the mangled name of Abseil's inline namespace, and wraps the same names.
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"

extern "C" void __tsan_acquire(void* address);
extern "C" void __tsan_release(void* address);

#define S2P_MEMBER "_ZN" S2P_ABSL_NAMESPACE
#define S2P_CONST_MEMBER "_ZNK" S2P_ABSL_NAMESPACE

// Declares Real##NAME, the library's function, and Wrap##NAME, which replaces it.
#define S2P_WRAP(RESULT, NAME, MANGLED, ...)                 \
  RESULT Real##NAME(__VA_ARGS__) __asm__("__real_" MANGLED); \
  RESULT Wrap##NAME(__VA_ARGS__) __asm__("__wrap_" MANGLED); \
  RESULT Wrap##NAME(__VA_ARGS__)

namespace {

// A condition is evaluated with the lock held, but perhaps by another thread that is releasing it.
struct ShownCondition {
  const absl::Condition* real;
  absl::Mutex* mutex;

  static bool Eval(ShownCondition* shown) {
    __tsan_acquire(shown->mutex);
    const bool holds = shown->real->Eval();
    __tsan_release(shown->mutex);
    return holds;
  }
};

// Abseil's deadlock detection keeps a graph under another kind of lock, which the sanitizer does
// not see either; the sanitizer detects deadlocks itself.
[[maybe_unused]] const bool kNoGraph = [] {
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  return true;
}();

}  // namespace

S2P_WRAP(void, Lock, S2P_MEMBER "5Mutex4LockEv", absl::Mutex* mutex) {
  RealLock(mutex);
  __tsan_acquire(mutex);
}

S2P_WRAP(void, Unlock, S2P_MEMBER "5Mutex6UnlockEv", absl::Mutex* mutex) {
  __tsan_release(mutex);
  RealUnlock(mutex);
}

S2P_WRAP(void, Await, S2P_MEMBER "5Mutex5AwaitERKNS0_9ConditionE", absl::Mutex* mutex,
         const absl::Condition& condition) {
  ShownCondition shown{&condition, mutex};
  __tsan_release(mutex);
  RealAwait(mutex, absl::Condition(&ShownCondition::Eval, &shown));
  __tsan_acquire(mutex);
}

S2P_WRAP(bool, AwaitWithTimeout,
         S2P_MEMBER "5Mutex16AwaitWithTimeoutERKNS0_9ConditionENS0_8DurationE", absl::Mutex* mutex,
         const absl::Condition& condition, absl::Duration timeout) {
  ShownCondition shown{&condition, mutex};
  __tsan_release(mutex);
  const bool held =
      RealAwaitWithTimeout(mutex, absl::Condition(&ShownCondition::Eval, &shown), timeout);
  __tsan_acquire(mutex);
  return held;
}

S2P_WRAP(bool, AwaitWithDeadline,
         S2P_MEMBER "5Mutex17AwaitWithDeadlineERKNS0_9ConditionENS0_4TimeE", absl::Mutex* mutex,
         const absl::Condition& condition, absl::Time deadline) {
  ShownCondition shown{&condition, mutex};
  __tsan_release(mutex);
  const bool held =
      RealAwaitWithDeadline(mutex, absl::Condition(&ShownCondition::Eval, &shown), deadline);
  __tsan_acquire(mutex);
  return held;
}

S2P_WRAP(void, Wait, S2P_MEMBER "7CondVar4WaitEPNS0_5MutexE", absl::CondVar* variable,
         absl::Mutex* mutex) {
  __tsan_release(mutex);
  RealWait(variable, mutex);
  __tsan_acquire(mutex);
}

S2P_WRAP(bool, WaitWithTimeout, S2P_MEMBER "7CondVar15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE",
         absl::CondVar* variable, absl::Mutex* mutex, absl::Duration timeout) {
  __tsan_release(mutex);
  const bool late = RealWaitWithTimeout(variable, mutex, timeout);
  __tsan_acquire(mutex);
  return late;
}

S2P_WRAP(bool, WaitWithDeadline, S2P_MEMBER "7CondVar16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE",
         absl::CondVar* variable, absl::Mutex* mutex, absl::Time deadline) {
  __tsan_release(mutex);
  const bool late = RealWaitWithDeadline(variable, mutex, deadline);
  __tsan_acquire(mutex);
  return late;
}

S2P_WRAP(void, Notify, S2P_MEMBER "12Notification6NotifyEv", absl::Notification* notification) {
  __tsan_release(notification);
  RealNotify(notification);
}

S2P_WRAP(void, WaitForNotification, S2P_CONST_MEMBER "12Notification19WaitForNotificationEv",
         const absl::Notification* notification) {
  RealWaitForNotification(notification);
  __tsan_acquire(const_cast<absl::Notification*>(notification));
}
