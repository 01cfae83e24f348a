#include "server/decoder/decoder_pool.h"

#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "base/status_macros.h"
#include "server/decoder/decoder_link.h"

namespace s2p {
namespace {

// Somebody who stops one decoder after another must not keep a call busy forever.
constexpr int kMostAttempts = 3;

}  // namespace

struct DecoderPool::NewProcess {
  absl::StatusOr<std::unique_ptr<DecoderProcess>> process = absl::UnknownError("not started");
  absl::Notification is_started;
};

absl::StatusOr<std::unique_ptr<DecoderPool>> DecoderPool::Create(
    const DecoderPoolOptions& options) {
  if (options.processes < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("processes must be at least 1, not ", options.processes));
  }
  std::unique_ptr<DecoderPool> pool(new DecoderPool(options));
  S2P_ASSIGN_OR_RETURN(auto first, pool->TakeProcess());
  pool->GiveBack(std::move(first));
  return pool;
}

DecoderPool::DecoderPool(const DecoderPoolOptions& options)
    : options_(options),
      places_(options.processes, "a decoder was free"),
      starter_([this] { RunStarts(); }) {}

DecoderPool::~DecoderPool() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  starter_.join();
}

void DecoderPool::RunStarts() {
  for (;;) {
    NewProcess* wanted = nullptr;
    {
      absl::MutexLock lock(&mutex_);
      const auto something = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
        return stopping_ || !wanted_.empty();
      };
      mutex_.Await(absl::Condition(&something));
      if (wanted_.empty()) return;
      wanted = wanted_.front();
      wanted_.pop_front();
    }
    wanted->process = DecoderProcess::Start(options_.process);
    wanted->is_started.Notify();
  }
}

absl::StatusOr<std::unique_ptr<DecoderProcess>> DecoderPool::StartProcess() {
  NewProcess wanted;
  {
    absl::MutexLock lock(&mutex_);
    wanted_.push_back(&wanted);
  }
  wanted.is_started.WaitForNotification();
  if (options_.on_start) options_.on_start(wanted.process.status());
  return std::move(wanted.process);
}

absl::StatusOr<Image> DecoderPool::Decode(absl::string_view bytes, const ImageLimits& limits,
                                          const CallLife& life) {
  S2P_ASSIGN_OR_RETURN(const ImageHeader header, ReadImageHeader(bytes, limits));
  S2P_ASSIGN_OR_RETURN(const Budget::Share place, places_.Take(1, life));
  for (int attempt = 1;; ++attempt) {
    S2P_RETURN_IF_ERROR(life.Check("the image was decoded"));
    auto process = TakeProcess();
    // The reason names files of the server, which are not the client's business; on_start has it.
    if (!process.ok()) return absl::UnavailableError("images cannot be decoded at the moment");
    absl::StatusOr<Image> image = (*process)->Decode(bytes, header, life);
    GiveBack(*std::move(process));
    // A process that was stopped has said nothing about the image: another one may decode it.
    if (!absl::IsUnavailable(image.status()) || attempt == kMostAttempts) return image;
  }
}

std::vector<pid_t> DecoderPool::idle() const {
  absl::MutexLock lock(&mutex_);
  std::vector<pid_t> pids;
  for (const auto& process : idle_) pids.push_back(process->pid());
  return pids;
}

absl::StatusOr<std::unique_ptr<DecoderProcess>> DecoderPool::TakeProcess() {
  for (;;) {
    std::unique_ptr<DecoderProcess> process;
    {
      absl::MutexLock lock(&mutex_);
      if (idle_.empty()) break;
      // The one that was used last: its memory is still in the cache.
      process = std::move(idle_.back());
      idle_.pop_back();
    }
    if (process->IsAlive()) return process;
    ReportEnd(*process);
  }
  return StartProcess();
}

void DecoderPool::GiveBack(std::unique_ptr<DecoderProcess> process) {
  if (!process->IsAlive()) return ReportEnd(*process);
  absl::MutexLock lock(&mutex_);
  idle_.push_back(std::move(process));
}

void DecoderPool::ReportEnd(const DecoderProcess& process) const {
  if (options_.on_end) options_.on_end(process.end());
}

int64_t DecoderMemory(const ImageLimits& limits) {
  // The part of the area that is not used takes address space, too, and the C library sets some
  // aside.
  constexpr int64_t kBesides = int64_t{64} << 20;
  return MostDecodeBytes(limits) + limits.max_pixels + static_cast<int64_t>(kKeptBytes) + kBesides;
}

std::string DecoderOf(const std::string& program) {
  const std::filesystem::path folder = std::filesystem::path(program).parent_path();
  const std::filesystem::path next_to = folder / "s2p-decoder";
  const std::filesystem::path installed = (folder / S2P_INSTALLED_DECODER).lexically_normal();
  std::error_code error;
  const bool is_installed =
      !std::filesystem::exists(next_to, error) && std::filesystem::exists(installed, error);
  return (is_installed ? installed : next_to).string();
}

std::string DecoderOfThisProgram() {
  std::error_code error;
  return DecoderOf(std::filesystem::read_symlink("/proc/self/exe", error).string());
}

}  // namespace s2p
