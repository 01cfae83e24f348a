#include "server/decoder/decoder_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/spawn_settings.h"
#include "base/status_macros.h"
#include "server/decoder/image_decoder.h"

namespace s2p {
namespace {

// A start takes milliseconds; a machine that swaps may take longer.
constexpr absl::Duration kStartTime = absl::Seconds(20);
constexpr char kDecoded[] = "the image was decoded";

std::string ErrnoText() { return std::strerror(errno); }

// Sanitizers get their options from the environment; others have no business there.
char** EnvironmentOfDecoder() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return environ;
#else
  static char* nothing[] = {nullptr};
  return nothing;
#endif
}

// The process inherits only its socket, and standard error for what the loader has to say.
absl::StatusOr<pid_t> Spawn(const std::vector<std::string>& command, int socket) {
  SpawnSettings settings;
  posix_spawn_file_actions_adddup2(&settings.actions, socket, kDecoderSocket);
  posix_spawn_file_actions_addopen(&settings.actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&settings.actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addclosefrom_np(&settings.actions, kDecoderSocket + 1);
  // In a group of its own, so that an interrupt from the terminal leaves it to the server.
  posix_spawnattr_setpgroup(&settings.attributes, 0);
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&settings.attributes, &none);
  posix_spawnattr_setsigdefault(&settings.attributes, &all);
  posix_spawnattr_setflags(&settings.attributes,
                           POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  std::vector<char*> words;
  for (const std::string& word : command) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  pid_t pid = -1;
  const int error = posix_spawn(&pid, words[0], &settings.actions, &settings.attributes,
                                words.data(), EnvironmentOfDecoder());
  if (error != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("the decoder ", command[0], " cannot be started: ", std::strerror(error)));
  }
  return pid;
}

// Memory without a name in any file system, which can be sealed but not executed.
absl::StatusOr<Descriptor> MakeMemory(uint64_t bytes) {
  // Linux 6.3 and later can demand this flag; earlier ones refuse it.
  constexpr unsigned kNoExec = 0x0008;
  Descriptor memory(memfd_create("s2p-image", MFD_CLOEXEC | MFD_ALLOW_SEALING | kNoExec));
  if (memory.number() < 0 && errno == EINVAL) {
    memory = Descriptor(memfd_create("s2p-image", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  }
  if (memory.number() < 0 || ftruncate(memory.number(), static_cast<off_t>(bytes)) != 0) {
    return absl::ResourceExhaustedError(
        absl::StrCat("no memory for an image's pixels: ", ErrnoText()));
  }
  return memory;
}

absl::Status WriteAt(const Descriptor& memory, absl::string_view bytes, uint64_t offset) {
  while (!bytes.empty()) {
    const ssize_t written =
        pwrite(memory.number(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      return absl::ResourceExhaustedError(absl::StrCat("no memory for an image: ", ErrnoText()));
    }
    bytes.remove_prefix(static_cast<size_t>(written));
    offset += static_cast<uint64_t>(written);
  }
  return absl::OkStatus();
}

// Where DecodeInto has put the pixels.
size_t PixelBytes(const DecodeOrder& order) { return order.area_bytes / 4 * Image::kChannels; }

// Maps memory that the process keeps, too. Nobody can change its size, or the server would be ended
// by looking at what is gone.
absl::StatusOr<PixelMemory> MapKept(const Descriptor& memory) {
  void* kept = MAP_FAILED;
  if (fcntl(memory.number(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0) {
    kept = mmap(nullptr, kKeptBytes, PROT_READ | PROT_WRITE, MAP_SHARED, memory.number(), 0);
  }
  if (kept == MAP_FAILED) {
    return absl::ResourceExhaustedError(
        absl::StrCat("no memory for an image's pixels: ", ErrnoText()));
  }
  return PixelMemory(static_cast<uint8_t*>(kept),
                     [](uint8_t* mapped) { munmap(mapped, kKeptBytes); });
}

PixelMemory Copy(const uint8_t* bytes, size_t count) {
  PixelMemory copy(new uint8_t[count], [](uint8_t* owned) { delete[] owned; });
  std::copy_n(bytes, count, copy.get());
  return copy;
}

// Makes the memory unchangeable, for everybody. False if somebody still can write to it.
bool Seal(const Descriptor& memory) {
  return fcntl(memory.number(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) == 0;
}

// The first `bytes` of sealed memory, as memory of the caller's own: what he writes changes a copy.
absl::StatusOr<PixelMemory> MapPixels(const Descriptor& memory, size_t bytes) {
  void* pixels = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE, memory.number(), 0);
  if (pixels == MAP_FAILED) {
    return absl::ResourceExhaustedError(
        absl::StrCat("no memory for an image's pixels: ", ErrnoText()));
  }
  return PixelMemory(static_cast<uint8_t*>(pixels),
                     [bytes](uint8_t* mapped) { munmap(mapped, bytes); });
}

// Whether something can be read, or the other side is gone, within `timeout`.
bool WaitToRead(int socket, absl::Duration timeout) {
  pollfd wait = {socket, POLLIN, 0};
  const auto milliseconds = absl::ToInt64Milliseconds(absl::Ceil(timeout, absl::Milliseconds(1)));
  return poll(&wait, 1, static_cast<int>(std::clamp<int64_t>(milliseconds, 0, 60'000))) > 0;
}

bool IsShownAsItIs(absl::string_view text) {
  return std::all_of(text.begin(), text.end(), absl::ascii_isprint);
}

}  // namespace

absl::StatusOr<std::unique_ptr<DecoderProcess>> DecoderProcess::Start(
    const DecoderProcessOptions& options) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("no connection for a decoder: ", ErrnoText()));
  }
  Descriptor ours(ends[0]);
  Descriptor theirs(ends[1]);
  S2P_ASSIGN_OR_RETURN(const pid_t pid,
                       Spawn({options.program, absl::StrCat(options.memory_bytes),
                              absl::StrCat(absl::ToInt64Seconds(options.cpu_time))},
                             theirs.number()));
  theirs.Close();
  std::unique_ptr<DecoderProcess> process(new DecoderProcess(options, pid, std::move(ours)));
  DecodeAnswer ready;
  const absl::Status status = process->Await(CallLife(), kStartTime, ready);
  if (!status.ok()) {
    return absl::FailedPreconditionError(
        absl::StrCat("the decoder ", options.program, " does not start: ", status.message()));
  }
  return process;
}

DecoderProcess::DecoderProcess(const DecoderProcessOptions& options, pid_t pid, Descriptor socket)
    : options_(options), pid_(pid), socket_(std::move(socket)) {}

DecoderProcess::~DecoderProcess() { End(DecoderEnd::kIdle); }

bool DecoderProcess::IsAlive() {
  // A process that waits for orders has nothing to say, except that it has ended.
  if (pid_ >= 0 && WaitToRead(socket_.number(), absl::ZeroDuration())) End(DecoderEnd::kIdle);
  if (pid_ >= 0 && IsStopped()) End(DecoderEnd::kStopped);
  return pid_ >= 0;
}

bool DecoderProcess::IsStopped() const {
  siginfo_t found = {};
  return waitid(P_PID, static_cast<id_t>(pid_), &found, WSTOPPED | WNOHANG | WNOWAIT) == 0 &&
         found.si_pid == pid_;
}

absl::StatusOr<Image> DecoderProcess::Decode(absl::string_view bytes, const ImageHeader& header,
                                             const CallLife& life) {
  DecodeOrder order;
  order.area_bytes = DecodeAreaBytes(header);
  order.file_bytes = bytes.size();
  return order.total_bytes() <= kKeptBytes ? DecodeSmall(bytes, header, order, life)
                                           : DecodeLarge(bytes, header, order, life);
}

absl::StatusOr<Image> DecoderProcess::DecodeLarge(absl::string_view bytes,
                                                  const ImageHeader& header,
                                                  const DecodeOrder& order, const CallLife& life) {
  S2P_ASSIGN_OR_RETURN(const Descriptor memory, MakeMemory(order.total_bytes()));
  S2P_RETURN_IF_ERROR(WriteAt(memory, bytes, order.file_offset()));
  if (!SendOrder(socket_.number(), order, memory.number())) return Crash();
  S2P_RETURN_IF_ERROR(AwaitImage(header, life));
  const size_t pixel_bytes = PixelBytes(order);
  // Frees the file and what is left of the area.
  if (ftruncate(memory.number(), static_cast<off_t>(pixel_bytes)) != 0 || !Seal(memory)) {
    return Misbehaviour("kept the memory of an image");
  }
  S2P_ASSIGN_OR_RETURN(PixelMemory pixels, MapPixels(memory, pixel_bytes));
  return Image(header.width, header.height, std::move(pixels));
}

absl::StatusOr<Image> DecoderProcess::DecodeSmall(absl::string_view bytes,
                                                  const ImageHeader& header, DecodeOrder order,
                                                  const CallLife& life) {
  // Sent with the first order only.
  Descriptor memory;
  if (kept_ == nullptr) {
    S2P_ASSIGN_OR_RETURN(memory, MakeMemory(kKeptBytes));
    S2P_ASSIGN_OR_RETURN(kept_, MapKept(memory));
  }
  order.kept_bytes = kKeptBytes;
  std::copy(bytes.begin(), bytes.end(), kept_.get() + order.file_offset());
  absl::Status status = absl::OkStatus();
  if (!SendOrder(socket_.number(), order, memory.number())) {
    status = Crash();
  } else {
    status = AwaitImage(header, life);
  }
  PixelMemory pixels;
  if (status.ok()) pixels = Copy(kept_.get(), PixelBytes(order));
  // No later image may show anything of this one, whether it was decoded or not.
  std::fill_n(kept_.get(), order.total_bytes(), uint8_t{0});
  if (!status.ok()) return status;
  return Image(header.width, header.height, std::move(pixels));
}

absl::Status DecoderProcess::AwaitImage(const ImageHeader& header, const CallLife& life) {
  DecodeAnswer answer;
  S2P_RETURN_IF_ERROR(Await(life, options_.max_decode_time, answer));
  if (answer.width == header.width && answer.height == header.height) return absl::OkStatus();
  return Misbehaviour("answered with another size");
}

absl::Status DecoderProcess::Await(const CallLife& life, absl::Duration most,
                                   DecodeAnswer& answer) {
  const SteadyTime too_slow = SteadyTime::Now() + most;
  for (;;) {
    const absl::Duration wait = std::min(life.deadline, too_slow) - SteadyTime::Now();
    if (WaitToRead(socket_.number(), std::min(wait, kCancelInterval))) break;
    if (IsStopped()) {
      End(DecoderEnd::kStopped);
      return absl::UnavailableError("the decoder was stopped while it decoded the image");
    }
    if (absl::Status status = life.Check(kDecoded); !status.ok()) {
      End(DecoderEnd::kCallEnded);
      return status;
    }
    if (SteadyTime::Now() < too_slow) continue;
    End(DecoderEnd::kTooSlow);
    return TooSlowError(most);
  }
  std::optional<DecodeAnswer> received = ReceiveAnswer(socket_.number());
  if (!received) return Crash();
  answer = *std::move(received);
  if (answer.is_last) End(DecoderEnd::kIdle);
  const absl::Status& status = answer.status;
  if (status.ok()) return status;
  const bool is_possible = absl::IsInvalidArgument(status) || absl::IsResourceExhausted(status) ||
                           absl::IsFailedPrecondition(status);
  if (!is_possible || !IsShownAsItIs(status.message())) return Misbehaviour("answered nonsense");
  return status;
}

absl::Status DecoderProcess::Crash() {
  const int status = End(DecoderEnd::kCrashed);
  if (!WIFSIGNALED(status)) {
    return absl::InvalidArgumentError(
        absl::StrCat("the image ended the decoder (exit code ", WEXITSTATUS(status), ")"));
  }
  const int signal = WTERMSIG(status);
  if (signal == SIGKILL) {
    return absl::ResourceExhaustedError(
        "the decoder was killed while it decoded the image, as the system does when memory runs "
        "out");
  }
  const char* name = sigabbrev_np(signal);
  return absl::InvalidArgumentError(absl::StrCat("the image ended the decoder (signal ", signal,
                                                 name == nullptr ? "" : absl::StrCat(", SIG", name),
                                                 ")"));
}

absl::Status DecoderProcess::Misbehaviour(absl::string_view what) {
  End(DecoderEnd::kMisbehaved);
  return absl::InvalidArgumentError(
      absl::StrCat("the image was not decoded: the decoder ", what, " and was ended"));
}

int DecoderProcess::End(DecoderEnd end) {
  if (pid_ < 0) return 0;
  end_ = end;
  // The status of a process that has begun to end stays what it is.
  kill(pid_, SIGKILL);
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  socket_.Close();
  return status;
}

}  // namespace s2p
