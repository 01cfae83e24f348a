#include <httplib.h>

#include <memory>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "client/report.h"
#include "client/web/json_message.h"
#include "client/web/routes.h"

namespace s2p {
namespace {

// One WatchJob call that continues after the handler has returned.
struct JobWatch {
  JobWatch(Backend& backend, const Exchange& exchange, const v1::WatchJobRequest& request,
           std::shared_ptr<void> place_held)
      : place(std::move(place_held)),
        call(backend, ForwardedCall::To::kTrainer, exchange, /*has_deadline=*/false),
        reader(backend.training().WatchJob(&call.context(), request)) {}

  const std::shared_ptr<void> place;
  ForwardedCall call;
  const std::unique_ptr<grpc::ClientReader<v1::WatchJobResponse>> reader;
  v1::WatchJobResponse message;
};

std::string EventText(const v1::WatchJobResponse& message) {
  // Compact JSON contains no line break but the one at its end. With the id, a reconnecting browser
  // reports the last event that it received.
  return absl::StrCat("id: ", message.event(), "\ndata: ", ToJson(message, /*compact=*/true), "\n");
}

bool Send(httplib::DataSink& sink, const std::string& text) {
  return sink.write(text.data(), text.size());
}

// The trainer sends something every second, so a disconnected browser is noticed within a second.
bool SendNext(JobWatch& watch, httplib::DataSink& sink) {
  if (!Send(sink, EventText(watch.message))) {
    watch.call.context().TryCancel();
    watch.reader->Finish();
    return false;
  }
  if (watch.reader->Read(&watch.message)) return true;
  // A broken stream just ends, and the browser opens another one.
  if (watch.reader->Finish().ok()) Send(sink, "event: end\ndata: {}\n\n");
  sink.done();
  return true;
}

absl::Status WatchJob(Backend& backend, EventStreams& streams, Exchange& exchange) {
  v1::WatchJobRequest request;
  absl::Status status = ReadRequest(exchange, request);
  if (!status.ok()) return status;
  int64_t last = 0;
  if (absl::SimpleAtoi(exchange.request.get_header_value("Last-Event-ID"), &last) && last > 0) {
    request.set_from_event(last + 1);
  }
  S2P_ASSIGN_OR_RETURN(auto place, streams.Open());
  auto watch = std::make_shared<JobWatch>(backend, exchange, request, std::move(place));
  if (!watch->reader->Read(&watch->message)) {
    status = watch->call.StatusOf(watch->reader->Finish());
    return status.ok() ? absl::NotFoundError("there are no further events") : status;
  }
  exchange.response.status = 200;
  exchange.response.set_chunked_content_provider(
      "text/event-stream",
      [watch](size_t, httplib::DataSink& sink) { return SendNext(*watch, sink); });
  return absl::OkStatus();
}

}  // namespace

void AddWatchRoutes(Backend& backend, EventStreams& streams, Router& router) {
  if (!backend.has_trainer()) return;
  router.Add("GET", "/api/training/job/watch", Router::Access::kOperator,
             [&](Exchange& exchange) { return WatchJob(backend, streams, exchange); });
}

}  // namespace s2p
