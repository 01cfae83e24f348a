#include "client/web/json_message.h"
#include "client/web/routes.h"

namespace s2p {
namespace {

using To = ForwardedCall::To;
using Done = ForwardedCall::Done;

// `start(context, request, response, done)` starts the RPC, and `finish` may take parts out of what
// it answers.
template <typename Request, typename Response, typename Start>
ExchangeHandler Forward(Backend& backend, To to, Start start,
                        void (*finish)(const Exchange&, Response&) = nullptr) {
  return [&backend, to, start, finish](Exchange& exchange) {
    Request request;
    absl::Status status = ReadRequest(exchange, request);
    if (!status.ok()) return status;
    Response response;
    ForwardedCall call(backend, to, exchange);
    status =
        call.Await(exchange, [&](Done done) { start(&call.context(), &request, &response, done); });
    if (!status.ok()) return status;
    if (finish != nullptr) finish(exchange, response);
    AnswerJson(exchange, response);
    return absl::OkStatus();
  };
}

// `service` is the backend's stub, and Method is the name of the RPC, from which its messages are
// named, too.
#define S2P_FORWARD(to, service, Method)                                                 \
  Forward<v1::Method##Request, v1::Method##Response>(                                    \
      backend, to, [&backend](auto* context, auto* request, auto* response, auto done) { \
        backend.service()->async()->Method(context, request, response, done);            \
      })

// Leaves out what only operators can act on.
void HideFaults(const Exchange& exchange, v1::GetModelStatusResponse& status) {
  if (exchange.is_operator) return;
  status.clear_faults();
  for (v1::ModelVersion& version : *status.mutable_versions()) version.clear_failure();
}

ExchangeHandler ForwardModelStatus(Backend& backend) {
  return Forward<v1::GetModelStatusRequest, v1::GetModelStatusResponse>(
      backend, To::kServer,
      [&backend](auto* context, auto* request, auto* response, auto done) {
        backend.model()->async()->GetModelStatus(context, request, response, done);
      },
      HideFaults);
}

void AddTrainingRoutes(Backend& backend, Router& router) {
  const auto add = [&](const char* method, const char* path, ExchangeHandler handler) {
    router.Add(method, path, Router::Access::kOperator, std::move(handler));
  };
  add("GET", "/api/training/jobs", S2P_FORWARD(To::kTrainer, training, ListJobs));
  add("GET", "/api/training/job", S2P_FORWARD(To::kTrainer, training, GetJob));
  add("POST", "/api/training/jobs", S2P_FORWARD(To::kTrainer, training, SubmitJob));
  add("POST", "/api/training/job/cancel", S2P_FORWARD(To::kTrainer, training, CancelJob));
  add("POST", "/api/training/job/retry", S2P_FORWARD(To::kTrainer, training, RetryJob));
}

void AddFeedbackRoutes(Backend& backend, Router& router) {
  using Access = Router::Access;
  router.Add("POST", "/api/feedback", Access::kOwnPage,
             S2P_FORWARD(To::kServer, feedback, RecordFeedback));
  // Pages ask this whether the server collects feedback.
  router.Add("GET", "/api/feedback/stats", Access::kAnyone,
             S2P_FORWARD(To::kServer, feedback, GetFeedbackStats));
  const auto add = [&](const char* method, const char* path, ExchangeHandler handler) {
    router.Add(method, path, Access::kOperator, std::move(handler));
  };
  add("GET", "/api/feedback/list", S2P_FORWARD(To::kServer, feedback, ListFeedback));
  add("GET", "/api/feedback/entry", S2P_FORWARD(To::kServer, feedback, GetFeedback));
  add("POST", "/api/feedback/review", S2P_FORWARD(To::kServer, feedback, ReviewFeedback));
  add("POST", "/api/feedback/delete", S2P_FORWARD(To::kServer, feedback, DeleteFeedback));
}

}  // namespace

void AddApiRoutes(Backend& backend, Router& router) {
  using Access = Router::Access;
  router.Add("POST", "/api/search", Access::kOwnPage, S2P_FORWARD(To::kServer, search, Search));
  router.Add("GET", "/api/gallery/stats", Access::kAnyone,
             S2P_FORWARD(To::kServer, gallery, GetGalleryStats));
  router.Add("GET", "/api/photos", Access::kAnyone, S2P_FORWARD(To::kServer, gallery, ListPhotos));
  // This route is for a filter that is too long for a URL.
  router.Add("POST", "/api/photos/list", Access::kAnyone,
             S2P_FORWARD(To::kServer, gallery, ListPhotos));
  router.Add("POST", "/api/photos/delete", Access::kOperator,
             S2P_FORWARD(To::kServer, gallery, DeletePhotos));
  router.Add("POST", "/api/photo/metadata", Access::kOperator,
             S2P_FORWARD(To::kServer, gallery, UpdatePhotoMetadata));
  router.Add("GET", "/api/model", Access::kAnyone, ForwardModelStatus(backend));
  router.Add("POST", "/api/model/serving", Access::kOperator,
             S2P_FORWARD(To::kServer, model, SetServingVersion));
  AddFeedbackRoutes(backend, router);
  if (backend.has_trainer()) AddTrainingRoutes(backend, router);
}

#undef S2P_FORWARD

}  // namespace s2p
