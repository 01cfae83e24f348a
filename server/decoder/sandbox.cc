#include "server/decoder/sandbox.h"

#include <fcntl.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "server/decoder/decoder_link.h"

namespace s2p {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kIsSanitized = true;
#else
constexpr bool kIsSanitized = false;
#endif

absl::Status Refused(absl::string_view what, int error) {
  return absl::FailedPreconditionError(
      absl::StrCat("the system refuses to ", what, ": ", std::strerror(error)));
}

absl::Status Limit(__rlimit_resource resource, rlim_t soft, rlim_t hard, const char* what) {
  const rlimit limit = {soft, hard};
  return setrlimit(resource, &limit) == 0 ? absl::OkStatus()
                                          : Refused(absl::StrCat("limit ", what), errno);
}

// The address space that this process has, in bytes; 0 if it is unknown.
uint64_t AddressSpace() {
  std::FILE* file = std::fopen("/proc/self/statm", "re");
  if (file == nullptr) return 0;
  unsigned long pages = 0;  // NOLINT(google-runtime-int): what %lu reads
  if (std::fscanf(file, "%lu", &pages) != 1) pages = 0;
  std::fclose(file);
  return uint64_t{pages} * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

absl::Status LimitResources(const SandboxLimits& limits) {
  S2P_RETURN_IF_ERROR(Limit(RLIMIT_CORE, 0, 0, "core dumps"));
  S2P_RETURN_IF_ERROR(Limit(RLIMIT_FSIZE, 0, 0, "the size of files"));
  // The standard streams, the socket, and the memory of one image.
  constexpr rlim_t kDescriptors = kDecoderSocket + 2;
  S2P_RETURN_IF_ERROR(Limit(RLIMIT_NOFILE, kDescriptors, kDescriptors, "descriptors"));
  const auto seconds = static_cast<rlim_t>(absl::ToInt64Seconds(limits.cpu_time));
  // A limit of 0 would end the process in its first tick, before it can end by itself.
  S2P_RETURN_IF_ERROR(Limit(RLIMIT_CPU, seconds + 1, seconds + 2, "CPU time"));
  if (kIsSanitized) return absl::OkStatus();
  const uint64_t now = AddressSpace();
  if (now == 0) return absl::FailedPreconditionError("/proc/self/statm cannot be read");
  const rlim_t most = now + static_cast<uint64_t>(limits.memory_bytes);
  return Limit(RLIMIT_AS, most, most, "address space");
}

// A filter whose own memory is freed at its end.
class Filter {
 public:
  Filter() : context_(seccomp_init(SCMP_ACT_KILL_PROCESS)) {}
  ~Filter() {
    if (context_ != nullptr) seccomp_release(context_);
  }
  bool exists() const { return context_ != nullptr; }
  int Allow(int call) { return seccomp_rule_add(context_, SCMP_ACT_ALLOW, call, 0); }
  // If the flags of the argument `index` are not set.
  int AllowWithout(int call, unsigned index, uint64_t flags) {
    return seccomp_rule_add(context_, SCMP_ACT_ALLOW, call, 1,
                            SCMP_CMP64(index, SCMP_CMP_MASKED_EQ, flags, 0));
  }
  // If the first argument is `value`.
  int AllowOf(int call, uint64_t value) {
    return seccomp_rule_add(context_, SCMP_ACT_ALLOW, call, 1, SCMP_CMP64(0, SCMP_CMP_EQ, value));
  }
  int Load() { return seccomp_load(context_); }

 private:
  const scmp_filter_ctx context_;
};

absl::Status FilterSystemCalls() {
  Filter filter;
  if (!filter.exists()) return Refused("make a filter of system calls", ENOMEM);
  // Orders and answers; memory; time; the end, by itself or by an assertion of a library.
  for (const int call :
       {SCMP_SYS(recvmsg), SCMP_SYS(sendmsg), SCMP_SYS(close), SCMP_SYS(brk), SCMP_SYS(munmap),
        SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(futex), SCMP_SYS(clock_gettime),
        SCMP_SYS(getrandom), SCMP_SYS(exit), SCMP_SYS(exit_group), SCMP_SYS(getpid),
        SCMP_SYS(gettid), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigreturn),
        SCMP_SYS(restart_syscall)}) {
    if (const int error = filter.Allow(call); error != 0) {
      return Refused("filter system calls", -error);
    }
  }
  for (const int call : {SCMP_SYS(mmap), SCMP_SYS(mprotect)}) {
    if (const int error = filter.AllowWithout(call, 2, PROT_EXEC); error != 0) {
      return Refused("filter executable memory", -error);
    }
  }
  // An assertion of a library signals its own process. Others of this user, the server among them,
  // must be out of reach.
  if (const int error = filter.AllowOf(SCMP_SYS(tgkill), static_cast<uint64_t>(getpid()));
      error != 0) {
    return Refused("filter signals", -error);
  }
  const int error = filter.Load();
  return error == 0 ? absl::OkStatus() : Refused("load a filter of system calls (seccomp)", -error);
}

// The loader has said all that it had to say; an image has nothing to say.
absl::Status SilenceStandardError() {
  if (kIsSanitized) return absl::OkStatus();
  const int nothing = open("/dev/null", O_WRONLY | O_CLOEXEC);
  if (nothing < 0 || dup2(nothing, STDERR_FILENO) < 0) return Refused("open /dev/null", errno);
  close(nothing);
  return absl::OkStatus();
}

}  // namespace

absl::Status Confine(const SandboxLimits& limits) {
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return Refused("tie a process to its parent", errno);
  if (prctl(PR_SET_DUMPABLE, 0) != 0) return Refused("hide a process's memory", errno);
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return Refused("give up privileges", errno);
  S2P_RETURN_IF_ERROR(SilenceStandardError());
  S2P_RETURN_IF_ERROR(LimitResources(limits));
  return kIsSanitized ? absl::OkStatus() : FilterSystemCalls();
}

}  // namespace s2p
