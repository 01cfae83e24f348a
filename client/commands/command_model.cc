#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "base/status_macros.h"
#include "base/utf8.h"
#include "client/commands/commands.h"
#include "client/report.h"

namespace s2p {
namespace {

std::string StateText(const v1::ModelVersion& version) {
  constexpr int kPrefix = 6;  // "STATE_"
  std::string text = v1::ModelVersion::State_Name(version.state()).substr(kPrefix);
  if (version.state() == v1::ModelVersion::STATE_EMBEDDING) {
    absl::StrAppendFormat(&text, " %.0f %%", 100 * version.progress());
    if (version.has_eta()) {
      const absl::Duration left =
          absl::Seconds(version.eta().seconds()) + absl::Nanoseconds(version.eta().nanos());
      absl::StrAppend(&text, ", ", absl::FormatDuration(absl::Ceil(left, absl::Seconds(1))),
                      " left");
    }
  }
  return text;
}

// Describes the last evaluation of searching by sketch, the server's main use.
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

std::string PinText(const v1::GetModelStatusResponse& status) {
  return status.has_pinned_version()
             ? absl::StrCat("version ", status.pinned_version(), " is pinned")
             : "following the newest version";
}

std::string ServingText(const v1::GetModelStatusResponse& status) {
  if (status.serving_version() == 0) return "no model serves yet";
  return absl::StrCat("version ", status.serving_version(), " serves");
}

// "fault disk_full: ...", the kind as metrics and the server's log name it.
std::string FaultText(const v1::Fault& fault) {
  constexpr int kPrefix = 5;  // "KIND_"
  return absl::StrCat("fault ",
                      absl::AsciiStrToLower(v1::Fault::Kind_Name(fault.kind()).substr(kPrefix)),
                      ": ", Printable(fault.message()));
}

absl::Status SetServingVersion(const SearchClient& client, std::optional<int64_t> version,
                               bool json, std::ostream& out) {
  S2P_ASSIGN_OR_RETURN(auto response, client.SetServingVersion(version));
  if (json) {
    out << ToJson(response);
  } else {
    // The server switches to it after answering.
    out << PinText(response.status()) << "; now " << ServingText(response.status()) << '\n';
  }
  return absl::OkStatus();
}

// Writes the changes since the last status. One thread only.
class ModelChanges {
 public:
  // `out` is borrowed.
  explicit ModelChanges(std::ostream* out) : out_(*out) {}

  void Show(const v1::GetModelStatusResponse& status) {
    PrintIfChanged(pin_, PinText(status));
    // The newest comes last, as in a log.
    for (int i = status.versions_size() - 1; i >= 0; --i) {
      const v1::ModelVersion& version = status.versions(i);
      std::string text = absl::StrCat("version ", version.version(), ": ", StateText(version));
      if (!version.failure().empty()) absl::StrAppend(&text, ": ", Printable(version.failure()));
      PrintIfChanged(versions_[version.version()], text);
    }
    PrintIfChanged(serving_, ServingText(status));
    ShowFaults(status);
    out_ << std::flush;
  }

 private:
  void ShowFaults(const v1::GetModelStatusResponse& status) {
    std::map<int, std::string> gone = std::exchange(faults_, {});
    for (const v1::Fault& fault : status.faults()) {
      std::string& shown = faults_[fault.kind()];
      shown = std::exchange(gone[fault.kind()], "");
      PrintIfChanged(shown, FaultText(fault));
    }
    for (const auto& [kind, text] : gone) {
      if (!text.empty()) out_ << "over: " << text << '\n';
    }
  }
  void PrintIfChanged(std::string& last, const std::string& text) {
    if (last == text) return;
    last = text;
    out_ << text << '\n';
  }

  std::ostream& out_;
  std::string pin_;
  std::string serving_;
  std::map<int64_t, std::string> versions_;
  // By kind.
  std::map<int, std::string> faults_;
};

}  // namespace

absl::Status RunModelPin(const SearchClient& client, int64_t version, bool json,
                         std::ostream& out) {
  return SetServingVersion(client, version, json, out);
}

absl::Status RunModelFollow(const SearchClient& client, bool json, std::ostream& out) {
  return SetServingVersion(client, std::nullopt, json, out);
}

absl::Status RunModelWatch(const SearchClient& client, bool json, std::ostream& out) {
  ModelChanges changes(&out);
  return client.WatchModelStatus([&](const v1::GetModelStatusResponse& status) {
    if (json) {
      out << ToJson(status, /*compact=*/true) << std::flush;
    } else {
      changes.Show(status);
    }
    return out.good() ? absl::OkStatus() : absl::DataLossError("standard output is closed");
  });
}

absl::Status RunModelStatus(const SearchClient& client, bool json, std::ostream& out) {
  S2P_ASSIGN_OR_RETURN(auto status, client.GetModelStatus());
  if (json) {
    out << ToJson(status);
    return absl::OkStatus();
  }
  std::vector<std::vector<std::string>> rows = {
      {">version", "state", "network", ">dimension", "created", "evaluation"}};
  for (const v1::ModelVersion& version : status.versions()) {
    rows.push_back(
        {absl::StrCat(version.version()), StateText(version), Printable(version.arch()),
         absl::StrCat(version.dimension()),
         absl::FormatTime("%Y-%m-%d %H:%M", absl::FromUnixSeconds(version.created_at().seconds()),
                          absl::LocalTimeZone()),
         EvaluationText(version)});
  }
  PrintTable(rows, out);
  for (const v1::ModelVersion& version : status.versions()) {
    if (version.failure().empty()) continue;
    out << "version " << version.version() << ": " << Printable(version.failure()) << '\n';
  }
  if (status.serving_version() == 0) {
    out << "no model serves yet\n";
  } else {
    out << "version " << status.serving_version() << " serves on " << status.device()
        << (status.has_pinned_version() ? " (pinned)" : "") << '\n';
  }
  for (const v1::Fault& fault : status.faults()) {
    out << FaultText(fault) << " (" << fault.count() << " times)\n";
  }
  return absl::OkStatus();
}

}  // namespace s2p
