#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "client/web/http_error.h"
#include "client/web/json_message.h"
#include "client/web/routes.h"

namespace s2p {
namespace {

const char* NameOf(GalleryTrainingProgress::State state) {
  using State = GalleryTrainingProgress::State;
  switch (state) {
    case State::kNone:
      return "NONE";
    case State::kExporting:
      return "EXPORTING";
    case State::kSubmitting:
      return "SUBMITTING";
    case State::kSubmitted:
      return "SUBMITTED";
    case State::kFailed:
      return "FAILED";
    case State::kCancelled:
      return "CANCELLED";
  }
  return "NONE";
}

std::string SentenceOf(const GalleryTrainingProgress& progress) {
  using State = GalleryTrainingProgress::State;
  switch (progress.state) {
    case State::kNone:
      return "";
    case State::kExporting:
      if (progress.photos == 0) return "Asking for the photos.";
      return absl::StrCat(progress.photos_done, " of ", progress.photos, " photos are copied.");
    case State::kSubmitting:
      return "Submitting the job.";
    case State::kSubmitted:
      return absl::StrCat("Job ", progress.job_id, " was submitted.");
    case State::kFailed:
      return Sentence(progress.error);
    case State::kCancelled:
      return "Cancelled.";
  }
  return "";
}

absl::Status AnswerProgress(const GalleryTraining& training, Exchange& exchange) {
  const GalleryTrainingProgress progress = training.progress();
  const nlohmann::json body = {{"state", NameOf(progress.state)},
                               {"photosDone", progress.photos_done},
                               {"photos", progress.photos},
                               {"jobId", progress.job_id},
                               {"sentence", SentenceOf(progress)}};
  Answer(exchange, body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace),
         "application/json");
  return absl::OkStatus();
}

}  // namespace

void AddGalleryTrainingRoutes(GalleryTraining& training, Router& router) {
  constexpr auto kOperator = Router::Access::kOperator;
  router.Add("GET", "/api/training/gallery", kOperator,
             [&](Exchange& exchange) { return AnswerProgress(training, exchange); });
  router.Add("POST", "/api/training/gallery", kOperator, [&](Exchange& exchange) -> absl::Status {
    v1::SubmitJobRequest request;
    S2P_RETURN_IF_ERROR(ReadRequest(exchange, request));
    S2P_RETURN_IF_ERROR(
        training.Begin(std::move(*request.mutable_spec()), {exchange.request_id, exchange.user}));
    return AnswerProgress(training, exchange);
  });
  router.Add("POST", "/api/training/gallery/cancel", kOperator, [&](Exchange& exchange) {
    training.Cancel();
    return AnswerProgress(training, exchange);
  });
}

}  // namespace s2p
