// A whole server on free ports, with a real gallery and a fake encoder, and stubs to call it.
#ifndef S2P_TESTS_SERVER_RPC_SERVER_FIXTURE_H_
#define S2P_TESTS_SERVER_RPC_SERVER_FIXTURE_H_

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "s2p/v1/gallery.grpc.pb.h"
#include "s2p/v1/model.grpc.pb.h"
#include "s2p/v1/search.grpc.pb.h"
#include "server/rpc/server.h"
#include "tests/server/gallery_fixture.h"
#include "tests/server/versions/tiny_checkpoint.h"
#include "tests/testing/status_matchers.h"

namespace s2p::test {

class ServerTest : public testing::Test {
 protected:
  ServerTest() : store_(dir_.File("checkpoints")) {
    options_.checkpoint_root = store_.root();
    options_.data_dir = dir_.File("data");
    options_.host.listen = "127.0.0.1:0";
    options_.host.http = "127.0.0.1:0";
    options_.poll_interval = absl::Milliseconds(5);
    // A slow machine must not make searches miss their deadline.
    options_.limits.default_deadline = absl::Hours(24);
    // Tests hold and count only their own batches.
    options_.warm_up_passes = 0;
    options_.batcher.max_delay = absl::ZeroDuration();
    options_.load_encoder =
        [this](const Checkpoint& checkpoint) -> absl::StatusOr<std::unique_ptr<const Encoder>> {
      FakeEncoderOptions options;
      options.version = checkpoint.manifest.version();
      options.on_encode = on_encode_;
      options.on_preprocess = on_preprocess_;
      return std::unique_ptr<const Encoder>(std::make_unique<FakeEncoder>(std::move(options)));
    };
  }

  // Starts a server, without waiting for a model.
  void Start() {
    auto server = SearchServer::Start(options_);
    ASSERT_THAT(server, IsOk());
    server_ = *std::move(server);
    auto channel = grpc::CreateChannel(server_->address(), grpc::InsecureChannelCredentials());
    search_ = v1::SearchService::NewStub(channel);
    gallery_ = v1::GalleryService::NewStub(channel);
    model_ = v1::ModelService::NewStub(channel);
    channel_ = channel;
  }
  // Publishes a model, starts a server and waits until it serves.
  void Serve() {
    PublishTinyCheckpoint(store_);
    Start();
    WaitUntilReady();
  }
  void WaitUntilReady() {
    // The loader has no notification; it is done in milliseconds.
    while (!server_->ready()) absl::SleepFor(absl::Milliseconds(1));
  }

  v1::AddPhotoRequest Photo(const std::string& photo_id, uint32_t seed) const {
    v1::AddPhotoRequest request;
    request.set_photo_id(photo_id);
    request.set_image(PhotoBytes(seed));
    return request;
  }
  // One stream; the responses, which must be one for each request, in order.
  std::vector<v1::AddPhotoResponse> Add(const std::vector<v1::AddPhotoRequest>& requests) {
    grpc::ClientContext context;
    auto stream = gallery_->AddPhotos(&context);
    for (const auto& request : requests) EXPECT_TRUE(stream->Write(request));
    stream->WritesDone();
    std::vector<v1::AddPhotoResponse> responses;
    v1::AddPhotoResponse response;
    while (stream->Read(&response)) responses.push_back(response);
    EXPECT_THAT(stream->Finish(), IsOk());
    EXPECT_EQ(responses.size(), requests.size());
    for (size_t i = 0; i < responses.size() && i < requests.size(); ++i) {
      EXPECT_EQ(responses[i].photo_id(), requests[i].photo_id());
    }
    return responses;
  }
  void MustAdd(int count) {
    std::vector<v1::AddPhotoRequest> requests;
    for (int i = 0; i < count; ++i) {
      requests.push_back(Photo(absl::StrCat("p", i), static_cast<uint32_t>(i)));
    }
    for (const auto& response : Add(requests)) ASSERT_EQ(response.status().code(), 0);
  }

  static v1::SearchRequest SketchOf(uint32_t seed) {
    v1::SearchRequest request;
    request.add_examples()->set_image(PhotoBytes(seed));
    return request;
  }
  grpc::Status Search(const v1::SearchRequest& request, v1::SearchResponse* response = nullptr) {
    grpc::ClientContext context;
    v1::SearchResponse ignored;
    return search_->Search(&context, request, response == nullptr ? &ignored : response);
  }
  void ExpectRefused(const v1::SearchRequest& request, grpc::StatusCode code,
                     const std::string& words) {
    const grpc::Status status = Search(request);
    EXPECT_EQ(status.error_code(), code) << status.error_message();
    EXPECT_THAT(status.error_message(), testing::HasSubstr(words));
  }

  TempDir dir_;
  CheckpointStore store_;
  ServerOptions options_;
  std::function<absl::Status(absl::Span<const EncoderInput>)> on_encode_;
  std::function<absl::Status(const Image&)> on_preprocess_;
  std::unique_ptr<SearchServer> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::SearchService::Stub> search_;
  std::unique_ptr<v1::GalleryService::Stub> gallery_;
  std::unique_ptr<v1::ModelService::Stub> model_;
};

}  // namespace s2p::test

#endif  // S2P_TESTS_SERVER_RPC_SERVER_FIXTURE_H_
