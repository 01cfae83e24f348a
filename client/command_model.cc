#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "client/commands.h"
#include "client/report.h"

namespace s2p {
namespace {

std::string StateText(const v1::ModelVersion& version) {
  constexpr int kPrefix = 6;  // "STATE_"
  std::string text = v1::ModelVersion::State_Name(version.state()).substr(kPrefix);
  if (version.state() == v1::ModelVersion::STATE_EMBEDDING) {
    absl::StrAppend(&text, absl::StrFormat(" %.0f %%", 100 * version.progress()));
  }
  return text;
}

// The last one of searching by sketch, which is what the server is mostly asked for.
std::string EvaluationText(const v1::ModelVersion& version) {
  if (version.evaluations().empty()) return "";
  const v1::Evaluation* shown = &version.evaluations(version.evaluations_size() - 1);
  for (const v1::Evaluation& evaluation : version.evaluations()) {
    if (evaluation.direction() == "sketch-to-photo") shown = &evaluation;
  }
  return absl::StrFormat("rank-1 %.1f %%, mAP %.3f on %s/%s", 100 * shown->rank1(),
                         shown->mean_average_precision(), Printable(shown->dataset()),
                         Printable(shown->split()));
}

}  // namespace

absl::Status RunModelStatus(const SearchClient& client, bool json, std::ostream& out) {
  auto status = client.GetModelStatus();
  if (!status.ok()) return status.status();
  if (json) {
    out << ToJson(*status);
    return absl::OkStatus();
  }
  std::vector<std::vector<std::string>> rows = {
      {">version", "state", "network", ">dimension", "created", "evaluation"}};
  for (const v1::ModelVersion& version : status->versions()) {
    rows.push_back(
        {absl::StrCat(version.version()), StateText(version), Printable(version.arch()),
         absl::StrCat(version.dimension()),
         absl::FormatTime("%Y-%m-%d %H:%M", absl::FromUnixSeconds(version.created_at().seconds()),
                          absl::LocalTimeZone()),
         EvaluationText(version)});
  }
  PrintTable(rows, out);
  for (const v1::ModelVersion& version : status->versions()) {
    if (version.failure().empty()) continue;
    out << "version " << version.version() << ": " << Printable(version.failure()) << '\n';
  }
  if (status->serving_version() == 0) {
    out << "no model serves yet\n";
  } else {
    out << "version " << status->serving_version() << " serves on " << status->device()
        << (status->has_pinned_version() ? " (pinned)" : "") << '\n';
  }
  return absl::OkStatus();
}

}  // namespace s2p
