# s2p_show_mutexes_to_tsan(TARGET): makes a test's calls of absl::Mutex visible to ThreadSanitizer,
# which the system's Abseil is built without. Does nothing without S2P_SANITIZE=thread. Why and how:
# tests/testing/tsan_mutex.cc. Needs a linker with --wrap.
function(s2p_show_mutexes_to_tsan target)
  if(NOT S2P_SANITIZE STREQUAL "thread")
    return()
  endif()
  find_path(S2P_ABSL_INCLUDE_DIR absl/base/options.h REQUIRED)
  file(STRINGS "${S2P_ABSL_INCLUDE_DIR}/absl/base/options.h" line
    REGEX "^#define ABSL_OPTION_INLINE_NAMESPACE_NAME ")
  string(REGEX REPLACE ".* " "" namespace "${line}")
  string(LENGTH "${namespace}" length)
  set(namespace "4absl${length}${namespace}")
  target_sources(${target} PRIVATE "${PROJECT_SOURCE_DIR}/tests/testing/tsan_mutex.cc")
  target_compile_definitions(${target} PRIVATE "S2P_ABSL_NAMESPACE=\"${namespace}\"")
  foreach(name
      "5Mutex4LockEv" "5Mutex6UnlockEv" "5Mutex5AwaitERKNS0_9ConditionE"
      "5Mutex16AwaitWithTimeoutERKNS0_9ConditionENS0_8DurationE"
      "5Mutex17AwaitWithDeadlineERKNS0_9ConditionENS0_4TimeE"
      "7CondVar4WaitEPNS0_5MutexE" "7CondVar15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE"
      "7CondVar16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE" "12Notification6NotifyEv")
    target_link_options(${target} PRIVATE "LINKER:--wrap=_ZN${namespace}${name}")
  endforeach()
  target_link_options(${target} PRIVATE
    "LINKER:--wrap=_ZNK${namespace}12Notification19WaitForNotificationEv")
endfunction()
