// A job's process without training: does what the name in the job's spec says.
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "absl/strings/str_join.h"
#include "trainer/jobs/process_job_runner.h"

namespace s2p::test {
namespace {

class ScriptedRunner : public JobRunner {
 public:
  absl::StatusOr<v1::TrainingSpec> Check(const v1::TrainingSpec& spec) override { return spec; }
  absl::Status CheckRetry(const v1::Job&, const std::string&) override { return absl::OkStatus(); }
  bool HasState(const std::string&) override { return false; }
  void DropState(const std::string&) override {}

  absl::StatusOr<JobOutcome> Run(const v1::Job& job, const std::string&,
                                 const JobObserver& observer) override {
    const std::string& script = job.resolved_spec().name();
    observer.on_message(script);
    if (script == "report") return Report(observer);
    if (script == "fail") return absl::InvalidArgumentError("loss: not finite");
    if (script == "stop") return WaitForStop(observer);
    if (script == "ignore SIGTERM") {
      raise(SIGTERM);
      raise(SIGINT);
      return JobOutcome();
    }
    if (script == "fill the disk") return FillDisk(observer);
    if (script == "not trained" || script == "not asked") {
      JobOutcome outcome;
      outcome.result = script == "not asked" ? JobResult::kNotAsked : JobResult::kNotTrained;
      return outcome;
    }
    if (script == "ask for versions") {
      JobOutcome outcome;
      outcome.reason = absl::StrJoin(observer.needed_versions(), " ");
      return outcome;
    }
    Die(script);
  }

 private:
  static JobOutcome Report(const JobObserver& observer) {
    v1::TrainingProgress progress;
    progress.set_epoch(3);
    observer.on_start_over();
    observer.on_progress(progress);
    v1::Evaluation evaluation;
    evaluation.set_rank1(0.25);
    observer.on_epoch(progress, {evaluation, evaluation});
    observer.on_memory_bytes(12345);
    JobOutcome outcome;
    outcome.published_version = 7;
    outcome.reason = "published";
    outcome.evaluations = {evaluation};
    outcome.learning_curve_file = "/curve.png";
    outcome.round.emplace().set_pairs(12);
    return outcome;
  }
  static absl::Status WaitForStop(const JobObserver& observer) {
    while (!observer.stop()) usleep(1000);
    return absl::CancelledError("stopped");
  }
  static absl::StatusOr<JobOutcome> FillDisk(const JobObserver& observer) {
    const absl::Status full = absl::ResourceExhaustedError("/state: no space");
    while (observer.wait_for_room(full)) observer.on_message("again");
    return full;
  }
  [[noreturn]] static void Die(const std::string& script) {
    if (script == "die by SIGKILL") raise(SIGKILL);
    if (script == "die by SIGSEGV") {
      signal(SIGSEGV, SIG_DFL);
      raise(SIGSEGV);
    }
    if (script == "exit") _exit(7);
    for (;;) pause();
  }
};

}  // namespace
}  // namespace s2p::test

int main(int argc, char** argv) {
  s2p::test::ScriptedRunner runner;
  const absl::Status status = s2p::RunJobForDaemon(argc > 1 ? argv[argc - 1] : "", &runner);
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
