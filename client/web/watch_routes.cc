#include <memory>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "client/report.h"
#include "client/web/json_message.h"
#include "client/web/routes.h"
#include "client/web/streamed_call.h"

namespace s2p {
namespace {

using WatchCall = StreamedCall<v1::WatchJobResponse>;

std::string EventText(const v1::WatchJobResponse& message) {
  // Compact JSON contains no line break but the one at its end. With the id, a reconnecting browser
  // reports the last event that it received.
  return absl::StrCat("id: ", message.event(), "\ndata: ", ToJson(message, /*compact=*/true), "\n");
}

// The trainer sends something every second, so a page learns soon that the stream lives.
std::shared_ptr<WatchCall> StartWatch(Backend& backend, const Exchange& exchange,
                                      v1::WatchJobRequest request, std::shared_ptr<void> place) {
  StreamedBody<v1::WatchJobResponse> body;
  body.piece = [](v1::WatchJobResponse& message) { return EventText(message); };
  body.end = "event: end\ndata: {}\n\n";
  // A broken stream just ends, and the browser opens another one.
  body.ends_on_failure = true;
  body.held = std::move(place);
  return WatchCall::Start(backend, ForwardedCall::To::kTrainer, exchange, /*has_deadline=*/false,
                          std::move(body),
                          [&backend, request = std::move(request)](auto* context, auto* reactor) {
                            backend.training()->async()->WatchJob(context, &request, reactor);
                          });
}

absl::Status WatchJob(Backend& backend, EventStreams& streams, Exchange& exchange) {
  v1::WatchJobRequest request;
  S2P_RETURN_IF_ERROR(ReadRequest(exchange, request));
  int64_t last = 0;
  if (absl::SimpleAtoi(exchange.request.Header("Last-Event-ID"), &last) && last > 0) {
    request.set_from_event(last + 1);
  }
  S2P_ASSIGN_OR_RETURN(auto place, streams.Open());
  const auto call = StartWatch(backend, exchange, std::move(request), std::move(place));
  S2P_ASSIGN_OR_RETURN(const bool has_message, call->AwaitFirst(exchange.request));
  if (!has_message) return absl::NotFoundError("there are no further events");
  SetHeader(exchange, "Content-Type", "text/event-stream");
  exchange.response.source = call;
  return absl::OkStatus();
}

}  // namespace

void AddWatchRoutes(Backend& backend, EventStreams& streams, Router& router) {
  if (!backend.has_trainer()) return;
  router.Add("GET", "/api/training/job/watch", Router::Access::kOperator,
             [&](Exchange& exchange) { return WatchJob(backend, streams, exchange); });
}

}  // namespace s2p
