#include "trainer/jobs/process_job_runner.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/spawn_settings.h"
#include "base/status_macros.h"
#include "model/file.h"
#include "trainer/jobs/job_file.h"
#include "trainer/jobs/job_link.h"

namespace s2p {
namespace {

// The descriptor of the process's end.
constexpr int kLinkDescriptor = 3;
// A cancellation reaches the process after at most this.
constexpr absl::Duration kStopInterval = absl::Milliseconds(50);

using Outcome = absl::StatusOr<JobOutcome>;

// A process that is killed and waited for at the end of this object, if it has not ended before.
// One thread only.
class Process {
 public:
  explicit Process(pid_t pid) : pid_(pid) {}
  ~Process() {
    if (pid_ < 0) return;
    kill(pid_, SIGKILL);
    Wait();
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  // The status as waitpid has it.
  int Wait() {
    int status = 0;
    while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    return status;
  }

 private:
  pid_t pid_;
};

absl::StatusOr<pid_t> Spawn(const std::vector<std::string>& command, int socket) {
  SpawnSettings settings;
  posix_spawn_file_actions_adddup2(&settings.actions, socket, kLinkDescriptor);
  posix_spawn_file_actions_addclosefrom_np(&settings.actions, kLinkDescriptor + 1);
  posix_spawnattr_setpgroup(&settings.attributes, 0);
  sigset_t blocked;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGINT);
  sigaddset(&blocked, SIGTERM);
  posix_spawnattr_setsigmask(&settings.attributes, &blocked);
  posix_spawnattr_setflags(&settings.attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
  std::vector<char*> words;
  for (const std::string& word : command) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  pid_t pid = -1;
  const int error =
      posix_spawn(&pid, words[0], &settings.actions, &settings.attributes, words.data(), environ);
  if (error != 0) return FileError(error, command[0], "start a job's process");
  return pid;
}

// The word for the end of a run that has succeeded.
JobWord WordOf(JobResult result) {
  switch (result) {
    case JobResult::kJudged:
      return JobWord::kSucceeded;
    case JobResult::kNotAsked:
      return JobWord::kNotAsked;
    case JobResult::kNotTrained:
      return JobWord::kNotTrained;
  }
  return JobWord::kSucceeded;
}

JobOutcome OutcomeOf(JobResult result, const v1::Job& job) {
  JobOutcome outcome;
  outcome.result = result;
  outcome.published_version = job.published_version();
  outcome.reason = job.reason();
  outcome.evaluations.assign(job.evaluations().begin(), job.evaluations().end());
  outcome.learning_curve_file = job.learning_curve_file();
  if (job.rounds_size() > 0) outcome.round = job.rounds(0);
  return outcome;
}

v1::Job WithReason(absl::string_view reason) {
  v1::Job job;
  job.set_reason(ShownText(reason));
  return job;
}

// Acts on one message. The outcome, if it is the last one.
std::optional<Outcome> Heed(const JobReport& report, const JobObserver& observer, JobLink& link) {
  const v1::Job& job = report.job;
  switch (report.word) {
    case JobWord::kProgress:
      observer.on_progress(job.progress());
      break;
    case JobWord::kEpoch:
      observer.on_epoch(job.progress(), {job.evaluations().begin(), job.evaluations().end()});
      break;
    case JobWord::kMemory:
      observer.on_memory_bytes(job.memory_bytes());
      break;
    case JobWord::kStartOver:
      observer.on_start_over();
      break;
    case JobWord::kWaitForRoom: {
      const bool retry = observer.wait_for_room(absl::ResourceExhaustedError(job.reason()));
      // A process that has died meanwhile is noticed by the next Receive.
      (void)link.Send(retry ? JobWord::kYes : JobWord::kNo);
      break;
    }
    case JobWord::kVersions:
      (void)link.Send(JobWord::kVersions,
                      WithReason(absl::StrJoin(observer.needed_versions(), ",")));
      break;
    case JobWord::kSucceeded:
      return Outcome(OutcomeOf(JobResult::kJudged, job));
    case JobWord::kNotAsked:
      return Outcome(OutcomeOf(JobResult::kNotAsked, job));
    case JobWord::kNotTrained:
      return Outcome(OutcomeOf(JobResult::kNotTrained, job));
    case JobWord::kCancelled:
      return Outcome(absl::CancelledError(job.reason()));
    case JobWord::kDiskIsFull:
      return Outcome(absl::ResourceExhaustedError(job.reason()));
    case JobWord::kFailed:
      return Outcome(absl::InternalError(job.reason()));
    default:
      observer.on_message(job.reason());
  }
  return std::nullopt;
}

absl::Status Death(int status) {
  if (!WIFSIGNALED(status)) {
    return absl::AbortedError(absl::StrCat("the job's process ended with exit code ",
                                           WEXITSTATUS(status), " and without a result"));
  }
  const int signal = WTERMSIG(status);
  const char* name = sigabbrev_np(signal);
  return absl::AbortedError(
      absl::StrCat("the job's process was killed by signal ", signal,
                   name == nullptr ? "" : absl::StrCat(" (SIG", name, ")"),
                   signal == SIGKILL ? ", as the system does when memory runs out" : ""));
}

}  // namespace

absl::StatusOr<JobOutcome> ProcessJobRunner::Run(const v1::Job&, const std::string& folder,
                                                 const JobObserver& observer) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    return absl::InternalError(
        absl::StrCat("no connection for a job's process: ", std::strerror(errno)));
  }
  JobLink link(ends[0]);
  std::vector<std::string> command = {program_};
  command.insert(command.end(), arguments_.begin(), arguments_.end());
  command.push_back(folder);
  const auto pid = Spawn(command, ends[1]);
  close(ends[1]);
  if (!pid.ok()) return pid.status();
  Process process(*pid);
  bool told_to_stop = false;
  std::optional<Outcome> outcome;
  for (;;) {
    if (!told_to_stop && observer.stop()) {
      told_to_stop = true;
      (void)link.Send(JobWord::kStop);
    }
    const auto report = link.Receive(kStopInterval);
    if (absl::IsOutOfRange(report.status())) break;
    if (!report.ok()) return report.status();
    if (report->has_value()) outcome = Heed(**report, observer, link);
  }
  // Nothing that the process does after its last word matters, so it is not waited for.
  return outcome ? *std::move(outcome) : Outcome(Death(process.Wait()));
}

namespace {

// The daemon, as the job's process sees it. One thread only.
class Daemon {
 public:
  Daemon() : link_(kLinkDescriptor) {}

  void Tell(JobWord word, const v1::Job& job) {
    if (!link_.Send(word, job).ok()) stopped_ = true;
  }
  // Waits for the answer; kNo if there is no daemon any more.
  JobReport Ask(JobWord word, const v1::Job& job) {
    Tell(word, job);
    while (!gone_) {
      if (auto report = Next(absl::Seconds(1))) return *std::move(report);
    }
    return {JobWord::kNo, {}};
  }
  bool stopped() { return StopsWithin(absl::ZeroDuration()); }
  // Waits for it.
  bool StopsWithin(absl::Duration timeout) {
    while (!stopped_ && Next(timeout)) {
    }
    return stopped_;
  }

 private:
  // The next message but kStop; nothing if there is none.
  std::optional<JobReport> Next(absl::Duration timeout) {
    auto report = link_.Receive(timeout);
    if (!report.ok()) gone_ = stopped_ = true;
    if (!report.ok() || !report->has_value()) return std::nullopt;
    if ((*report)->word == JobWord::kStop) {
      stopped_ = true;
      return std::nullopt;
    }
    return *std::move(report);
  }

  JobLink link_;
  bool stopped_ = false;
  bool gone_ = false;
};

std::vector<int64_t> VersionsIn(const std::string& text) {
  std::vector<int64_t> versions;
  for (const absl::string_view word : absl::StrSplit(text, ',', absl::SkipEmpty())) {
    int64_t version = 0;
    if (absl::SimpleAtoi(word, &version)) versions.push_back(version);
  }
  return versions;
}

JobObserver ObserverFor(Daemon& daemon) {
  JobObserver observer;
  observer.on_progress = [&daemon](const v1::TrainingProgress& progress) {
    v1::Job job;
    *job.mutable_progress() = progress;
    daemon.Tell(JobWord::kProgress, job);
  };
  observer.on_epoch = [&daemon](const v1::TrainingProgress& progress,
                                const std::vector<v1::Evaluation>& evaluations) {
    v1::Job job;
    *job.mutable_progress() = progress;
    *job.mutable_evaluations() = {evaluations.begin(), evaluations.end()};
    daemon.Tell(JobWord::kEpoch, job);
  };
  observer.on_message = [&daemon](const std::string& message) {
    daemon.Tell(JobWord::kMessage, WithReason(message));
  };
  observer.on_memory_bytes = [&daemon](uint64_t bytes) {
    v1::Job job;
    job.set_memory_bytes(bytes);
    daemon.Tell(JobWord::kMemory, job);
  };
  observer.on_start_over = [&daemon] { daemon.Tell(JobWord::kStartOver, {}); };
  observer.stop = [&daemon] { return daemon.stopped(); };
  observer.wait_for_room = [&daemon](const absl::Status& why) {
    return daemon.Ask(JobWord::kWaitForRoom, WithReason(why.message())).word == JobWord::kYes;
  };
  observer.needed_versions = [&daemon] {
    const JobReport report = daemon.Ask(JobWord::kVersions, {});
    // Without a daemon nobody knows them, and those that are not named are deleted.
    if (report.word != JobWord::kVersions) _exit(1);
    return VersionsIn(report.job.reason());
  };
  return observer;
}

void TellEnd(const Outcome& outcome, Daemon& daemon) {
  if (!outcome.ok()) {
    const JobWord word = absl::IsCancelled(outcome.status())           ? JobWord::kCancelled
                         : absl::IsResourceExhausted(outcome.status()) ? JobWord::kDiskIsFull
                                                                       : JobWord::kFailed;
    return daemon.Tell(word, WithReason(outcome.status().message()));
  }
  v1::Job job = WithReason(outcome->reason);
  job.set_published_version(outcome->published_version);
  job.set_learning_curve_file(outcome->learning_curve_file);
  *job.mutable_evaluations() = {outcome->evaluations.begin(), outcome->evaluations.end()};
  if (outcome->round.has_value()) *job.add_rounds() = *outcome->round;
  daemon.Tell(WordOf(outcome->result), job);
}

// Held until the process ends: a daemon that is started quickly after another one was killed must
// not run a job whose former process is still writing.
absl::Status LockUntilExit(const std::string& folder, Daemon& daemon) {
  const std::string path = folder + "/run.lock";
  const int descriptor = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (descriptor < 0) return FileError(errno, path, "open");
  while (flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) return FileError(errno, path, "lock");
    if (daemon.StopsWithin(kStopInterval)) {
      return absl::CancelledError("stopped while the job's former process was still ending");
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status RunJobForDaemon(const std::string& folder, JobRunner* runner) {
  if (fcntl(kLinkDescriptor, F_SETFD, FD_CLOEXEC) != 0) {
    return absl::FailedPreconditionError("only s2p-trainer serve starts this process");
  }
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  // For ps, and for the system's log of what it kills.
  prctl(PR_SET_NAME, "s2p-trainer-job");
  Daemon daemon;
  const auto run = [&]() -> Outcome {
    // It may have ended before it could take this process with it.
    if (daemon.stopped()) return absl::CancelledError("stopped before it began");
    S2P_RETURN_IF_ERROR(LockUntilExit(folder, daemon));
    const std::string id = std::filesystem::path(folder).filename().string();
    S2P_ASSIGN_OR_RETURN(const auto file, ReadJobFile(folder, id));
    return runner->Run(file.job(), folder, ObserverFor(daemon));
  };
  TellEnd(run(), daemon);
  return absl::OkStatus();
}

}  // namespace s2p
