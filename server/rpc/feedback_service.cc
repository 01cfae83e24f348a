#include "server/rpc/feedback_service.h"

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "s2p/v1/feedback.grpc.pb.h"
#include "server/rpc/export_feedback_call.h"
#include "server/rpc/record_feedback_call.h"
#include "server/rpc/to_proto.h"
#include "server/search/request_checks.h"
#include "server/search/request_limits.h"

namespace s2p {
namespace {

constexpr uint32_t kDefaultPageSize = 100;
// No key has a longer name.
constexpr size_t kMostNameBytes = 256;

absl::StatusOr<std::optional<FeedbackState>> ParseState(v1::Feedback::State state) {
  switch (state) {
    case v1::Feedback::STATE_UNSPECIFIED:
      return std::optional<FeedbackState>();
    case v1::Feedback::STATE_PENDING:
      return std::optional<FeedbackState>(FeedbackState::kPending);
    case v1::Feedback::STATE_ACCEPTED:
      return std::optional<FeedbackState>(FeedbackState::kAccepted);
    case v1::Feedback::STATE_REJECTED:
      return std::optional<FeedbackState>(FeedbackState::kRejected);
    default:
      return BadField("state", "is unknown");
  }
}

// The ids, each once.
absl::StatusOr<std::vector<std::string>> ParseIds(
    const google::protobuf::RepeatedPtrField<std::string>& ids, const Limits& limits) {
  if (ids.empty() || ids.size() > static_cast<int>(limits.max_ids)) {
    return BadField("feedback_ids", absl::StrCat("must be 1 to ", limits.max_ids));
  }
  std::set<std::string> seen;
  std::vector<std::string> parsed;
  for (int i = 0; i < ids.size(); ++i) {
    S2P_RETURN_IF_ERROR(CheckFeedbackId(ids[i], absl::StrCat("feedback_ids[", i, "]")));
    if (seen.insert(ids[i]).second) parsed.push_back(ids[i]);
  }
  return parsed;
}

// Counts the ids that were found and lists the others.
template <typename MissingIds>
uint32_t CountFound(const std::vector<std::string>& ids, const std::vector<bool>& found,
                    MissingIds* missing) {
  uint32_t count = 0;
  for (size_t i = 0; i < ids.size(); ++i) {
    if (found[i]) {
      ++count;
    } else {
      *missing->Add() = ids[i];
    }
  }
  return count;
}

absl::StatusOr<v1::Feedback> Shown(const ServiceContext& service, const FeedbackRecord& record) {
  S2P_ASSIGN_OR_RETURN(const auto photo, service.feedback->CurrentPhoto(record));
  return ToProto(record, photo != nullptr);
}

absl::Status List(const ServiceContext& service, const v1::ListFeedbackRequest& request,
                  v1::ListFeedbackResponse& response) {
  const uint32_t page_size = request.has_page_size() ? request.page_size() : kDefaultPageSize;
  if (page_size < 1 || page_size > service.limits.max_page_size) {
    return BadField("page_size", absl::StrCat("must be 1 to ", service.limits.max_page_size,
                                              ", not ", page_size));
  }
  int64_t after = 0;
  if (!request.page_token().empty() && !absl::SimpleAtoi(request.page_token(), &after)) {
    return BadField("page_token", "is not one that this server gave");
  }
  if (request.recorded_by().size() > kMostNameBytes) {
    return BadField("recorded_by", absl::StrCat("has more than ", kMostNameBytes, " bytes"));
  }
  FeedbackFilter filter;
  S2P_ASSIGN_OR_RETURN(filter.state, ParseState(request.state()));
  filter.recorded_by = request.recorded_by();
  // One entry more than the page shows whether there is another page.
  S2P_ASSIGN_OR_RETURN(const auto entries,
                       service.feedback->List(filter, after, static_cast<int>(page_size) + 1));
  const size_t shown = std::min<size_t>(entries.size(), page_size);
  for (size_t i = 0; i < shown; ++i) {
    S2P_ASSIGN_OR_RETURN(*response.add_feedback(), Shown(service, entries[i].record));
  }
  if (entries.size() > shown) {
    response.set_next_page_token(absl::StrCat(entries[shown - 1].place));
  }
  return absl::OkStatus();
}

absl::Status Get(const ServiceContext& service, const v1::GetFeedbackRequest& request,
                 v1::GetFeedbackResponse& response) {
  S2P_RETURN_IF_ERROR(CheckFeedbackId(request.feedback_id(), "feedback_id"));
  S2P_ASSIGN_OR_RETURN(const auto record, service.feedback->Find(request.feedback_id()));
  S2P_ASSIGN_OR_RETURN(*response.mutable_feedback(), Shown(service, record));
  if (!request.with_sketch()) return absl::OkStatus();
  S2P_ASSIGN_OR_RETURN(*response.mutable_sketch(),
                       service.feedback->ReadSketch(request.feedback_id()));
  return absl::OkStatus();
}

absl::Status Review(const ServiceContext& service, const v1::ReviewFeedbackRequest& request,
                    v1::ReviewFeedbackResponse& response) {
  S2P_ASSIGN_OR_RETURN(const auto ids, ParseIds(request.feedback_ids(), service.limits));
  S2P_ASSIGN_OR_RETURN(const auto state, ParseState(request.state()));
  if (!state.has_value()) {
    return BadField("state", "needs STATE_ACCEPTED, STATE_REJECTED or STATE_PENDING");
  }
  S2P_ASSIGN_OR_RETURN(const auto found, service.feedback->Review(ids, *state));
  response.set_reviewed_count(CountFound(ids, found, response.mutable_missing_feedback_ids()));
  return absl::OkStatus();
}

absl::Status Delete(const ServiceContext& service, const v1::DeleteFeedbackRequest& request,
                    v1::DeleteFeedbackResponse& response) {
  S2P_ASSIGN_OR_RETURN(const auto ids, ParseIds(request.feedback_ids(), service.limits));
  S2P_ASSIGN_OR_RETURN(const auto found, service.feedback->Forget(ids));
  response.set_deleted_count(CountFound(ids, found, response.mutable_missing_feedback_ids()));
  return absl::OkStatus();
}

absl::Status GetStats(const ServiceContext& service, const v1::GetFeedbackStatsRequest&,
                      v1::GetFeedbackStatsResponse& response) {
  const FeedbackTotals totals = service.feedback->Totals();
  response.set_pending_count(totals.pending);
  response.set_accepted_count(totals.accepted);
  response.set_rejected_count(totals.rejected);
  response.set_kept_bytes(totals.bytes);
  response.set_max_kept_bytes(service.feedback->max_bytes());
  return absl::OkStatus();
}

CallCost IdCost(const Limits& limits) {
  CallCost cost;
  cost.max_message_bytes += MostIdBytes(limits);
  cost.fields = FeedbackIdFields(limits);
  return cost;
}

}  // namespace

FeedbackServiceImpl::FeedbackServiceImpl(const ServiceContext* service)
    : RpcService(v1::FeedbackService::service_full_name(), service->gate), service_(*service) {
  CallCost record;
  record.max_message_bytes = service_.max_message_bytes;
  record.fields = RecordFields(service_.limits);
  Add("RecordFeedback", record, v1::RecordFeedbackRequest::descriptor(), /*is_stream=*/false,
      [this](const RpcMethod* method, CallGate*, grpc::CallbackServerContext* context) {
        return NewRecordFeedbackCall(method, context, service_);
      });
  CallCost send;
  // As long as the client reads.
  send.default_deadline = absl::InfiniteDuration();
  Add("ExportFeedback", send, v1::ExportFeedbackRequest::descriptor(), /*is_stream=*/true,
      [this](const RpcMethod* method, CallGate*, grpc::CallbackServerContext* context) {
        return NewExportFeedbackCall(method, context, service_);
      });
  AddStored("ListFeedback", CallCost(), service_.storage_pool, &List);
  AddStored("GetFeedback", CallCost(), service_.storage_pool, &Get);
  AddStored("ReviewFeedback", IdCost(service_.limits), service_.review_pool, &Review);
  AddStored("DeleteFeedback", IdCost(service_.limits), service_.review_pool, &Delete);
  AddStored("GetFeedbackStats", CallCost(), service_.storage_pool, &GetStats);
}

template <typename Request, typename Response>
void FeedbackServiceImpl::AddStored(const std::string& method, CallCost cost, WorkerPool* pool,
                                    absl::Status (*work)(const ServiceContext&, const Request&,
                                                         Response&)) {
  AddUnary<Request, Response>(method, std::move(cost), pool,
                              [this, work](const Request& request, Response& response) {
                                if (service_.feedback == nullptr) return FeedbackIsOff();
                                return work(service_, request, response);
                              });
}

}  // namespace s2p
