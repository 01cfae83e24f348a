// s2p feedback: what people said about photos.
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "base/status_macros.h"
#include "base/utf8.h"
#include "client/clean_text.h"
#include "client/commands/feedback_commands.h"
#include "client/files.h"
#include "client/pair_set.h"
#include "client/photo_files.h"
#include "client/report.h"

namespace s2p {
namespace {

constexpr uint32_t kMostPerCall = 1000;

// "pending", "accepted" or "rejected"; empty: unspecified.
absl::StatusOr<v1::Feedback::State> ParseState(const std::string& text) {
  if (text.empty()) return v1::Feedback::STATE_UNSPECIFIED;
  v1::Feedback::State state;
  if (v1::Feedback::State_Parse(absl::StrCat("STATE_", absl::AsciiStrToUpper(text)), &state) &&
      state != v1::Feedback::STATE_UNSPECIFIED) {
    return state;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("--state ", text, ": expected pending, accepted or rejected"));
}

std::string StateText(v1::Feedback::State state) {
  constexpr int kPrefix = 6;  // "STATE_"
  return absl::AsciiStrToLower(v1::Feedback::State_Name(state).substr(kPrefix));
}

absl::Status CheckIds(const std::vector<std::string>& feedback_ids) {
  for (const std::string& id : feedback_ids) {
    if (id.empty()) return absl::InvalidArgumentError("an ID is empty");
  }
  return absl::OkStatus();
}

// The message of the ids from `begin` on, as many as one call may have.
template <typename Request>
Request RequestFrom(const std::vector<std::string>& ids, size_t begin) {
  Request request;
  for (size_t i = begin; i < std::min<size_t>(begin + kMostPerCall, ids.size()); ++i) {
    request.add_feedback_ids(ids[i]);
  }
  return request;
}

absl::Status NotThere(const google::protobuf::RepeatedPtrField<std::string>& missing) {
  if (missing.empty()) return absl::OkStatus();
  return absl::NotFoundError(
      absl::StrCat("not in the feedback: ", Printable(absl::StrJoin(missing, ", "))));
}

}  // namespace

absl::Status RunFeedbackRecord(const FeedbackClient& client, const FeedbackRecordOptions& options,
                               std::ostream& out) {
  S2P_RETURN_IF_ERROR(CheckPhotoId(options.photo_id, "PHOTO"));
  v1::RecordFeedbackRequest request;
  S2P_ASSIGN_OR_RETURN(*request.mutable_image(), ReadImageFile(options.sketch));
  request.set_photo_id(options.photo_id);
  request.set_verdict(options.no_match ? v1::VERDICT_NO_MATCH : v1::VERDICT_MATCH);
  S2P_ASSIGN_OR_RETURN(const auto response, client.Record(request));
  if (options.json) {
    out << ToJson(response);
  } else {
    out << Printable(response.feedback_id()) << '\n';
  }
  return absl::OkStatus();
}

absl::Status RunFeedbackList(const FeedbackClient& client, const FeedbackListOptions& options,
                             std::ostream& out) {
  v1::ListFeedbackRequest request;
  S2P_ASSIGN_OR_RETURN(const auto state, ParseState(options.state));
  request.set_state(state);
  request.set_recorded_by(options.recorded_by);
  v1::ListFeedbackResponse all;
  do {
    const uint32_t left = options.limit == 0
                              ? kMostPerCall
                              : options.limit - static_cast<uint32_t>(all.feedback_size());
    request.set_page_size(std::min(left, kMostPerCall));
    S2P_ASSIGN_OR_RETURN(const auto page, client.List(request));
    all.mutable_feedback()->MergeFrom(page.feedback());
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty() &&
           (options.limit == 0 || static_cast<uint32_t>(all.feedback_size()) < options.limit));
  all.set_next_page_token(request.page_token());
  if (options.json) {
    out << ToJson(all);
    return absl::OkStatus();
  }
  std::vector<std::vector<std::string>> rows = {
      {"feedback", "photo", "verdict", "state", "recorded", "by", "exportable"}};
  for (const v1::Feedback& entry : all.feedback()) {
    rows.push_back(
        {Printable(entry.feedback_id()), Printable(entry.photo_id()),
         entry.verdict() == v1::VERDICT_MATCH ? "match" : "no match", StateText(entry.state()),
         absl::FormatTime("%Y-%m-%d %H:%M", absl::FromUnixSeconds(entry.recorded_at().seconds()),
                          absl::LocalTimeZone()),
         Printable(entry.recorded_by()), entry.exportable() ? "yes" : "no"});
  }
  PrintTable(rows, out);
  return absl::OkStatus();
}

absl::Status RunFeedbackReview(const FeedbackClient& client, const FeedbackReviewOptions& options,
                               std::ostream& out) {
  S2P_RETURN_IF_ERROR(CheckIds(options.feedback_ids));
  if (options.accept + options.reject + options.reset != 1) {
    return absl::InvalidArgumentError("needs one of --accept, --reject and --reset");
  }
  const auto state = options.accept   ? v1::Feedback::STATE_ACCEPTED
                     : options.reject ? v1::Feedback::STATE_REJECTED
                                      : v1::Feedback::STATE_PENDING;
  v1::ReviewFeedbackResponse all;
  for (size_t begin = 0; begin < options.feedback_ids.size(); begin += kMostPerCall) {
    auto request = RequestFrom<v1::ReviewFeedbackRequest>(options.feedback_ids, begin);
    request.set_state(state);
    S2P_ASSIGN_OR_RETURN(const auto response, client.Review(request));
    all.set_reviewed_count(all.reviewed_count() + response.reviewed_count());
    all.mutable_missing_feedback_ids()->MergeFrom(response.missing_feedback_ids());
  }
  if (options.json) {
    out << ToJson(all);
  } else {
    out << all.reviewed_count() << ' ' << StateText(state) << '\n';
  }
  return NotThere(all.missing_feedback_ids());
}

absl::Status RunFeedbackForget(const FeedbackClient& client,
                               const std::vector<std::string>& feedback_ids, bool json,
                               std::ostream& out) {
  S2P_RETURN_IF_ERROR(CheckIds(feedback_ids));
  v1::DeleteFeedbackResponse all;
  for (size_t begin = 0; begin < feedback_ids.size(); begin += kMostPerCall) {
    S2P_ASSIGN_OR_RETURN(const auto response, client.Delete(RequestFrom<v1::DeleteFeedbackRequest>(
                                                  feedback_ids, begin)));
    all.set_deleted_count(all.deleted_count() + response.deleted_count());
    all.mutable_missing_feedback_ids()->MergeFrom(response.missing_feedback_ids());
  }
  if (json) {
    out << ToJson(all);
  } else {
    out << all.deleted_count() << " forgotten\n";
  }
  return NotThere(all.missing_feedback_ids());
}

absl::Status RunFeedbackExport(const FeedbackClient& client, const std::string& folder, bool json,
                               std::ostream& out) {
  S2P_ASSIGN_OR_RETURN(auto pairs, PairSetWriter::Create(folder));
  S2P_RETURN_IF_ERROR(client.Export([&](const v1::ExportFeedbackResponse& message) {
    if (json && message.has_feedback()) out << ToJson(message.feedback(), /*compact=*/true);
    return pairs->Add(message);
  }));
  S2P_RETURN_IF_ERROR(pairs->Finish());
  if (!json) {
    out << pairs->pairs() << " drawings of " << pairs->photos() << " photos in "
        << Printable(folder) << '\n';
  }
  return absl::OkStatus();
}

}  // namespace s2p
