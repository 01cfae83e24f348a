#include "daemon/shutdown.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

namespace s2p {
namespace {

// State of the signal handler, which can have no object. Lock-free, as handlers require.
std::atomic<int> handler_fd{-1};
std::atomic<int> signals_seen{0};
// Later signals end the process.
std::atomic<int> signals_taken{1};
struct sigaction former_int;
struct sigaction former_term;

// Bytes in the pipe.
constexpr char kSignal = 's';
constexpr char kRequested = 'r';
constexpr char kCallback = 'c';
constexpr char kQuit = 'q';

void WriteByte(int fd, char byte) {
  while (write(fd, &byte, 1) < 0 && errno == EINTR) {
  }
}

extern "C" void OnSignal(int number) {
  const int saved_errno = errno;
  if (signals_seen.fetch_add(1) < signals_taken.load()) {
    WriteByte(handler_fd.load(), kSignal);
  } else {
    // The signal is blocked while this runs; with the default action it ends us on return.
    signal(number, SIG_DFL);
    raise(number);
  }
  errno = saved_errno;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Shutdown>> Shutdown::Install() {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) != 0) {
    return absl::InternalError(absl::StrCat("no pipe for signals: ", std::strerror(errno)));
  }
  int none = -1;
  if (!handler_fd.compare_exchange_strong(none, fds[1])) {
    close(fds[0]);
    close(fds[1]);
    return absl::FailedPreconditionError("another Shutdown is installed in this process");
  }
  signals_seen.store(0);
  signals_taken.store(1);
  std::unique_ptr<Shutdown> shutdown(new Shutdown(fds[0], fds[1]));
  struct sigaction action = {};
  action.sa_handler = &OnSignal;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  if (sigaction(SIGINT, &action, &former_int) != 0 ||
      sigaction(SIGTERM, &action, &former_term) != 0) {
    return absl::InternalError(absl::StrCat("no signal handler: ", std::strerror(errno)));
  }
  return shutdown;
}

Shutdown::Shutdown(int read_fd, int write_fd)
    : read_fd_(read_fd), write_fd_(write_fd), thread_([this] { Watch(); }) {}

Shutdown::~Shutdown() {
  sigaction(SIGINT, &former_int, nullptr);
  sigaction(SIGTERM, &former_term, nullptr);
  WriteByte(write_fd_, kQuit);
  thread_.join();
  handler_fd.store(-1);
  close(read_fd_);
  close(write_fd_);
}

void Shutdown::Request() { WriteByte(write_fd_, kRequested); }

void Shutdown::Wait() const {
  absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(&signalled_));
}

void Shutdown::WaitWithLameDuck(absl::Duration lame_duck,
                                const std::function<void()>& begin) const {
  if (lame_duck <= absl::ZeroDuration()) return Wait();
  // Set before the first signal, or a second one right behind it would end the process.
  signals_taken.store(2);
  Wait();
  begin();
  {
    absl::MutexLock lock(&mutex_);
    const auto hurried = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return hurried_; };
    wait_.Until(&mutex_, SteadyTime::Now() + lame_duck, hurried);
  }
  signals_taken.store(1);
}

void Shutdown::OnRequest(std::function<void()> callback) {
  {
    absl::MutexLock lock(&mutex_);
    callbacks_.push_back(std::move(callback));
  }
  WriteByte(write_fd_, kCallback);
}

void Shutdown::Watch() {
  char byte = 0;
  while (byte != kQuit) {
    if (read(read_fd_, &byte, 1) != 1) continue;
    std::vector<std::function<void()>> due;
    {
      absl::MutexLock lock(&mutex_);
      if (byte == kSignal && signalled_) {
        hurried_ = true;
        wait_.NotifyAll();
      }
      if (byte == kSignal || byte == kRequested) {
        requested_.store(true, std::memory_order_release);
        signalled_ = true;
      }
      if (signalled_ && byte != kQuit) due.swap(callbacks_);
    }
    for (const auto& callback : due) callback();
  }
}

}  // namespace s2p
