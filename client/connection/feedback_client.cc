#include "client/connection/feedback_client.h"

#include <grpcpp/grpcpp.h>

#include <utility>

#include "base/status_macros.h"
#include "client/connection/grpc_channel.h"
#include "s2p/v1/feedback.grpc.pb.h"

namespace s2p {
namespace {

constexpr char kServiceConfig[] = R"({"methodConfig": [{
  "name": [{"service": "s2p.v1.FeedbackService"}],
  "retryPolicy": {"maxAttempts": 5, "initialBackoff": "0.1s", "maxBackoff": "2s",
                  "backoffMultiplier": 2,
                  "retryableStatusCodes": ["RESOURCE_EXHAUSTED", "UNAVAILABLE"]}}]})";
constexpr char kProgram[] = "s2p-server";

}  // namespace

struct FeedbackClient::Stub {
  std::unique_ptr<v1::FeedbackService::Stub> feedback;
};

FeedbackClient::FeedbackClient(ClientOptions options, std::unique_ptr<Stub> stub)
    : options_(std::move(options)), stub_(std::move(stub)) {}
FeedbackClient::~FeedbackClient() = default;

absl::StatusOr<std::unique_ptr<FeedbackClient>> FeedbackClient::Create(
    const ClientOptions& options) {
  S2P_ASSIGN_OR_RETURN(const auto channel, MakeChannel(options, kServiceConfig));
  auto stub = std::make_unique<Stub>();
  stub->feedback = v1::FeedbackService::NewStub(channel);
  return std::unique_ptr<FeedbackClient>(new FeedbackClient(options, std::move(stub)));
}

absl::StatusOr<v1::RecordFeedbackResponse> FeedbackClient::Record(
    const v1::RecordFeedbackRequest& request) const {
  return Unary<v1::RecordFeedbackResponse>(
      options_, kProgram, request,
      [this](auto&&... arguments) { return stub_->feedback->RecordFeedback(arguments...); });
}

absl::StatusOr<v1::ListFeedbackResponse> FeedbackClient::List(
    const v1::ListFeedbackRequest& request) const {
  return Unary<v1::ListFeedbackResponse>(options_, kProgram, request, [this](auto&&... arguments) {
    return stub_->feedback->ListFeedback(arguments...);
  });
}

absl::StatusOr<v1::ReviewFeedbackResponse> FeedbackClient::Review(
    const v1::ReviewFeedbackRequest& request) const {
  return Unary<v1::ReviewFeedbackResponse>(
      options_, kProgram, request,
      [this](auto&&... arguments) { return stub_->feedback->ReviewFeedback(arguments...); });
}

absl::StatusOr<v1::DeleteFeedbackResponse> FeedbackClient::Delete(
    const v1::DeleteFeedbackRequest& request) const {
  return Unary<v1::DeleteFeedbackResponse>(
      options_, kProgram, request,
      [this](auto&&... arguments) { return stub_->feedback->DeleteFeedback(arguments...); });
}

absl::Status FeedbackClient::Export(const ExportSink& sink) const {
  grpc::ClientContext context;
  Prepare(options_, /*with_deadline=*/false, context);
  auto reader = stub_->feedback->ExportFeedback(&context, v1::ExportFeedbackRequest());
  v1::ExportFeedbackResponse response;
  absl::Status taken;
  while (taken.ok() && reader->Read(&response)) taken = sink(response);
  if (!taken.ok()) context.TryCancel();
  const grpc::Status status = reader->Finish();
  return taken.ok() ? FromGrpc(status, options_.server, kProgram) : taken;
}

}  // namespace s2p
