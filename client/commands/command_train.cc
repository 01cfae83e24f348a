#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "base/message_text.h"
#include "base/status_macros.h"
#include "base/utf8.h"
#include "client/clean_text.h"
#include "client/commands/commands.h"
#include "client/report.h"
#include "client/watch_display.h"

namespace s2p {
namespace {

constexpr uint32_t kPageSize = 100;

std::string TimeText(const google::protobuf::Timestamp& time) {
  return absl::FormatTime("%Y-%m-%d %H:%M", absl::FromUnixSeconds(time.seconds()),
                          absl::LocalTimeZone());
}

std::string NameOf(const v1::Job& job) {
  return Printable(job.spec().name().empty() ? job.resolved_spec().name() : job.spec().name());
}

std::string RankText(const v1::TrainingProgress& progress) {
  return progress.has_rank1() ? absl::StrFormat("%.1f %%", 100 * progress.rank1()) : "";
}

std::string VersionText(const v1::Job& job) {
  return job.published_version() == 0 ? "" : absl::StrCat(job.published_version());
}

std::string EvaluationText(const v1::Evaluation& evaluation) {
  return absl::StrFormat("rank-1 %.1f %%, rank-10 %.1f %%, mAP %.1f %% on %s/%s, %s",
                         100 * evaluation.rank1(), 100 * evaluation.rank10(),
                         100 * evaluation.mean_average_precision(), Printable(evaluation.dataset()),
                         Printable(evaluation.split()), Printable(evaluation.direction()));
}

std::string RoundText(const v1::TrainingRound& round) {
  std::string text = absl::StrCat(TimeText(round.ended_at()), ", ", round.pairs(), " pairs");
  if (round.has_candidate()) {
    absl::StrAppendFormat(&text, ": %s %.1f %%", Printable(round.metric()),
                          100 * round.candidate());
  }
  if (round.has_published()) {
    absl::StrAppendFormat(&text, " against %.1f %% of version %d", 100 * round.published(),
                          round.compared_version());
  }
  if (round.published_version() > 0) {
    return absl::StrCat(text, ", published as version ", round.published_version());
  }
  return absl::StrCat(text, ", ", round.has_published() ? "kept back" : Printable(round.reason()));
}

// Turns the job's end into the status for the exit code.
absl::Status EndOf(const v1::Job& job, bool json, std::ostream& out) {
  const std::string id = Printable(job.job_id());
  const bool bare = job.reason().empty() || job.reason() == JobStateText(job.state());
  const std::string why = bare ? "" : absl::StrCat(": ", job.reason());
  switch (job.state()) {
    case v1::Job::STATE_SUCCEEDED:
      if (json) return absl::OkStatus();
      out << "job " << id << " succeeded; "
          << (job.published_version() == 0
                  ? "no version was published"
                  : absl::StrCat("version ", job.published_version(), " was published"))
          << Printable(why) << '\n';
      return absl::OkStatus();
    case v1::Job::STATE_CANCELLED:
      return absl::CancelledError(absl::StrCat("job ", id, " was cancelled", why));
    default:
      return absl::AbortedError(absl::StrCat("job ", id, " failed", why));
  }
}

}  // namespace

absl::Status RunTrainSubmit(const TrainingClient& client, const TrainSubmitOptions& options,
                            std::ostream& out, std::ostream& err) {
  v1::TrainingSpec spec;
  S2P_RETURN_IF_ERROR(ReadMessageFile(options.spec, spec));
  for (const std::string& assignment : options.set) {
    if (absl::Status status = SetMessageField(assignment, spec); !status.ok()) {
      return absl::Status(status.code(), absl::StrCat("--set ", status.message()));
    }
  }
  S2P_ASSIGN_OR_RETURN(const auto response, client.SubmitJob(spec));
  if (options.json) {
    out << ToJson(response, /*compact=*/options.watch);
  } else {
    out << Printable(response.job().job_id()) << '\n';
  }
  out.flush();
  if (!options.watch) return absl::OkStatus();
  TrainWatchOptions watch = options.watch_options;
  watch.job_id = response.job().job_id();
  watch.json = options.json;
  return RunTrainWatch(client, watch, out, err);
}

absl::Status RunTrainList(const TrainingClient& client, const TrainListOptions& options,
                          std::ostream& out) {
  v1::ListJobsResponse all;
  v1::ListJobsRequest request;
  do {
    const uint32_t left = options.limit - static_cast<uint32_t>(all.jobs_size());
    request.set_page_size(options.limit == 0 ? kPageSize : std::min(kPageSize, left));
    S2P_ASSIGN_OR_RETURN(auto page, client.ListJobs(request));
    all.mutable_jobs()->MergeFrom(page.jobs());
    all.set_next_page_token(page.next_page_token());
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty() &&
           (options.limit == 0 || static_cast<uint32_t>(all.jobs_size()) < options.limit));
  if (options.json) {
    out << ToJson(all);
    return absl::OkStatus();
  }
  if (all.jobs().empty()) {
    out << "no jobs yet\n";
    return absl::OkStatus();
  }
  std::vector<std::vector<std::string>> rows = {
      {"job", "name", "state", "progress", ">rank-1", ">version", "created"}};
  for (const v1::Job& job : all.jobs()) {
    rows.push_back({Printable(job.job_id()), NameOf(job), JobStateText(job.state()),
                    EpochText(job.progress()), RankText(job.progress()), VersionText(job),
                    job.has_created_at() ? TimeText(job.created_at()) : ""});
  }
  PrintTable(rows, out);
  return absl::OkStatus();
}

absl::Status RunTrainGet(const TrainingClient& client, const std::string& job_id, bool json,
                         std::ostream& out) {
  S2P_RETURN_IF_ERROR(CheckText(job_id, "ID"));
  S2P_ASSIGN_OR_RETURN(const auto response, client.GetJob(job_id));
  if (json) {
    out << ToJson(response);
    return absl::OkStatus();
  }
  const v1::Job& job = response.job();
  std::vector<std::vector<std::string>> rows = {{"job", Printable(job.job_id())}};
  const auto add = [&rows](const char* name, const std::string& value) {
    if (!value.empty()) rows.push_back({name, value});
  };
  add("name", NameOf(job));
  add("state", JobStateText(job.state()));
  add("reason", Printable(job.reason()));
  add("preset", Printable(job.resolved_spec().preset()));
  if (job.has_created_at()) add("created", TimeText(job.created_at()));
  if (job.has_started_at()) add("started", TimeText(job.started_at()));
  if (job.has_ended_at()) add("ended", TimeText(job.ended_at()));
  add("progress", EpochText(job.progress()));
  add("rank-1", RankText(job.progress()));
  for (const v1::Evaluation& evaluation : job.evaluations()) {
    add("evaluation", EvaluationText(evaluation));
  }
  if (job.memory_bytes() > 0) {
    add("images", absl::StrFormat("%.2f GiB of main memory",
                                  static_cast<double>(job.memory_bytes()) / (1 << 30)));
  }
  add("version", VersionText(job));
  add("curve", Printable(job.learning_curve_file()));
  for (const v1::TrainingRound& round : job.rounds()) add("round", RoundText(round));
  PrintTable(rows, out);
  return absl::OkStatus();
}

absl::Status RunTrainCancel(const TrainingClient& client, const std::string& job_id, bool json,
                            std::ostream& out) {
  S2P_RETURN_IF_ERROR(CheckText(job_id, "ID"));
  S2P_ASSIGN_OR_RETURN(const auto response, client.CancelJob(job_id));
  if (json) {
    out << ToJson(response);
    return absl::OkStatus();
  }
  out << "job " << Printable(job_id)
      << (JobHasEnded(response.job().state()) ? " was cancelled\n" : " is being cancelled\n");
  return absl::OkStatus();
}

absl::Status RunTrainRetry(const TrainingClient& client, const std::string& job_id, bool json,
                           std::ostream& out) {
  S2P_RETURN_IF_ERROR(CheckText(job_id, "ID"));
  S2P_ASSIGN_OR_RETURN(const auto response, client.RetryJob(job_id));
  if (json) {
    out << ToJson(response);
    return absl::OkStatus();
  }
  out << "job " << Printable(job_id) << " is queued again\n";
  return absl::OkStatus();
}

absl::Status RunTrainWatch(const TrainingClient& client, const TrainWatchOptions& options,
                           std::ostream& out, std::ostream& err) {
  S2P_RETURN_IF_ERROR(CheckText(options.job_id, "ID"));
  WatchDisplayOptions display_options;
  display_options.live = options.live && !options.json;
  display_options.columns = options.columns;
  WatchDisplay display(&out, display_options);
  v1::Job end;
  end.set_job_id(options.job_id);
  const auto on_event = [&](const v1::WatchJobResponse& event) {
    if (options.json) {
      out << ToJson(event, /*compact=*/true) << std::flush;
    } else {
      display.Show(event);
    }
    end.set_state(event.state());
    if (!event.message().empty()) end.set_reason(event.message());
    return out.good() ? absl::OkStatus() : absl::DataLossError("standard output is closed");
  };
  const auto on_break = [&](const absl::Status& why, int64_t from_event) {
    const std::string note = absl::StrCat("the connection broke (", why.message(),
                                          "); resuming with event ", from_event);
    if (options.json) {
      err << Printable(note) << std::endl;
    } else {
      display.Note(note);
    }
  };
  const absl::Status watched =
      client.WatchJob(options.job_id, options.from_event, on_event, on_break);
  display.Finish();
  if (!watched.ok()) return watched;
  // The job itself says more than its last event, which serves only as a fallback.
  if (auto job = client.GetJob(options.job_id); job.ok() && JobHasEnded(job->job().state())) {
    end = job->job();
  }
  return EndOf(end, options.json, out);
}

}  // namespace s2p
