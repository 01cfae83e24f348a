// The model service over the wire.
#include <atomic>
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>

#include "absl/synchronization/notification.h"
#include "tests/server/rpc/server_fixture.h"
#include "tests/testing/status_matchers.h"

namespace s2p::test {
namespace {

using testing::HasSubstr;

class ModelServiceTest : public ServerTest {
 protected:
  // A stream of the status.
  struct Watch {
    explicit Watch(v1::ModelService::Stub& stub) : reader(stub.WatchModelStatus(&context, {})) {}
    // The first status from here on that is as wanted; fails the test if the stream ends first.
    v1::GetModelStatusResponse Until(
        const std::function<bool(const v1::GetModelStatusResponse&)>& wanted) {
      v1::WatchModelStatusResponse response;
      while (reader->Read(&response)) {
        if (wanted(response.status())) return response.status();
      }
      ADD_FAILURE() << "the stream ended: " << reader->Finish().error_message();
      return {};
    }
    v1::GetModelStatusResponse UntilServing(int64_t version) {
      return Until([version](const v1::GetModelStatusResponse& status) {
        return status.serving_version() == version;
      });
    }
    grpc::ClientContext context;
    std::unique_ptr<grpc::ClientReader<v1::WatchModelStatusResponse>> reader;
  };

  grpc::Status SetServingVersion(std::optional<int64_t> version,
                                 v1::SetServingVersionResponse* response = nullptr) {
    grpc::ClientContext context;
    v1::SetServingVersionRequest request;
    if (version) request.set_version(*version);
    v1::SetServingVersionResponse ignored;
    return model_->SetServingVersion(&context, request, response == nullptr ? &ignored : response);
  }
};

TEST_F(ModelServiceTest, WatchBeginsWithTheStatus) {
  Serve();
  Watch watch(*model_);
  v1::WatchModelStatusResponse response;
  ASSERT_TRUE(watch.reader->Read(&response));
  EXPECT_EQ(response.status().serving_version(), 1);
  EXPECT_EQ(response.status().versions(0).arch(), "resnet18");
}

TEST_F(ModelServiceTest, WatchTellsOfANewVersionUntilItServes) {
  Serve();
  Watch watch(*model_);
  PublishTinyCheckpoint(store_);
  const v1::GetModelStatusResponse status = watch.UntilServing(2);
  ASSERT_EQ(status.versions_size(), 2);
  EXPECT_EQ(status.versions(0).state(), v1::ModelVersion::STATE_SERVING);
  EXPECT_EQ(status.versions(1).state(), v1::ModelVersion::STATE_RETIRED);
  v1::SearchResponse response;
  ASSERT_THAT(Search(SketchOf(1), &response), IsOk());
  EXPECT_EQ(response.model_version(), 2);
}

TEST_F(ModelServiceTest, WatchTellsHowFarTheEmbeddingIs) {
  absl::Notification go_on;
  std::atomic<bool> hold{false};
  on_encode_ = [&](absl::Span<const EncoderInput> inputs) {
    // The second batch of forty photos.
    if (hold && inputs.size() == 8) go_on.WaitForNotification();
    return absl::OkStatus();
  };
  Serve();
  MustAdd(40);
  hold = true;
  Watch watch(*model_);
  PublishTinyCheckpoint(store_);
  const v1::GetModelStatusResponse status = watch.Until([](const v1::GetModelStatusResponse& told) {
    return told.versions(0).state() == v1::ModelVersion::STATE_EMBEDDING &&
           told.versions(0).progress() > 0;
  });
  EXPECT_DOUBLE_EQ(status.versions(0).progress(), 0.8);
  EXPECT_TRUE(status.versions(0).has_eta());
  EXPECT_EQ(status.serving_version(), 1);
  go_on.Notify();
  EXPECT_FALSE(watch.UntilServing(2).versions(0).has_eta());
}

TEST_F(ModelServiceTest, FaultIsToldToWatchersUntilItIsRepaired) {
  Serve();
  MustAdd(1);
  Watch watch(*model_);
  const std::string sha256 = Sha256(PhotoBytes(0));
  std::filesystem::remove(
      absl::StrCat(options_.data_dir, "/photos/", sha256.substr(0, 2), "/", sha256));
  grpc::ClientContext context;
  v1::GetPhotoRequest request;
  request.set_photo_id("p0");
  request.set_rendition(v1::RENDITION_ORIGINAL);
  auto reader = gallery_->GetPhoto(&context, request);
  ASSERT_FALSE(reader->Finish().ok());
  const auto broken = watch.Until(
      [](const v1::GetModelStatusResponse& status) { return status.faults_size() > 0; });
  EXPECT_EQ(broken.faults(0).kind(), v1::Fault::KIND_PHOTO_MISSING);
  EXPECT_EQ(broken.faults(0).count(), 1u);
  EXPECT_EQ(broken.faults(0).message(), "photo_id 'p0': its file is missing");
  EXPECT_GT(broken.faults(0).first_seen_at().seconds(), 0);
  ASSERT_EQ(Add({Photo("p0", 0)})[0].result(), v1::AddPhotoResponse::RESULT_REPLACED);
  watch.Until([](const v1::GetModelStatusResponse& status) { return status.faults_size() == 0; });
}

TEST_F(ModelServiceTest, StoreThatIsLostIsAFaultUntilItIsBack) {
  Serve();
  Watch watch(*model_);
  std::filesystem::rename(store_.root(), store_.root() + ".away");
  const auto lost = watch.Until(
      [](const v1::GetModelStatusResponse& status) { return status.faults_size() > 0; });
  EXPECT_EQ(lost.faults(0).kind(), v1::Fault::KIND_STORE_UNREADABLE);
  EXPECT_EQ(lost.faults(0).message(), "the store of versions is missing");
  EXPECT_EQ(lost.serving_version(), 1);
  std::filesystem::rename(store_.root() + ".away", store_.root());
  watch.Until([](const v1::GetModelStatusResponse& status) { return status.faults_size() == 0; });
}

TEST_F(ModelServiceTest, StoreThatNobodyHasMadeYetIsNoFault) {
  Start();
  grpc::ClientContext context;
  v1::GetModelStatusResponse status;
  ASSERT_THAT(model_->GetModelStatus(&context, {}, &status), IsOk());
  EXPECT_EQ(status.faults_size(), 0);
}

TEST_F(ModelServiceTest, VersionThatFailsIsToldAndTheOldOneAnswers) {
  const EncoderFactory load = options_.load_encoder;
  options_.load_encoder =
      [load](const Checkpoint& checkpoint) -> absl::StatusOr<std::unique_ptr<const Encoder>> {
    if (checkpoint.manifest.version() == 2) return absl::DataLossError("the probe differs");
    return load(checkpoint);
  };
  Serve();
  Watch watch(*model_);
  PublishTinyCheckpoint(store_);
  const v1::GetModelStatusResponse status = watch.Until([](const v1::GetModelStatusResponse& told) {
    return told.versions(0).state() == v1::ModelVersion::STATE_FAILED;
  });
  EXPECT_THAT(status.versions(0).failure(), HasSubstr("the probe differs"));
  EXPECT_EQ(status.serving_version(), 1);
  v1::SearchResponse response;
  ASSERT_THAT(Search(SketchOf(1), &response), IsOk());
  EXPECT_EQ(response.model_version(), 1);
}

TEST_F(ModelServiceTest, WatchEndsWhenTheServerDoes) {
  Serve();
  Watch watch(*model_);
  v1::WatchModelStatusResponse response;
  ASSERT_TRUE(watch.reader->Read(&response));
  server_->Shutdown(absl::InfiniteDuration());
  while (watch.reader->Read(&response)) {
  }
  const grpc::Status status = watch.reader->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_THAT(status.error_message(), HasSubstr("shutting down"));
}

TEST_F(ModelServiceTest, WatchersThatLeaveKeepNobodyWaiting) {
  Serve();
  {
    Watch watch(*model_);
    v1::WatchModelStatusResponse response;
    ASSERT_TRUE(watch.reader->Read(&response));
    watch.context.TryCancel();
    EXPECT_EQ(watch.reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
  }
  Watch other(*model_);
  PublishTinyCheckpoint(store_);
  other.UntilServing(2);
  server_->Shutdown(absl::InfiniteDuration());
}

TEST_F(ModelServiceTest, WatchNeedsTheKey) {
  options_.host.credentials.api_key_file = dir_.File("key");
  std::ofstream(options_.host.credentials.api_key_file) << "secret-secret-secret-secret\n";
  std::filesystem::permissions(options_.host.credentials.api_key_file,
                               std::filesystem::perms::owner_read);
  ASSERT_NO_FATAL_FAILURE(Start());
  Watch watch(*model_);
  v1::WatchModelStatusResponse response;
  EXPECT_FALSE(watch.reader->Read(&response));
  EXPECT_EQ(watch.reader->Finish().error_code(), grpc::StatusCode::UNAUTHENTICATED);
}

TEST_F(ModelServiceTest, PinRollsBackAndAnswersFromThePinnedVersion) {
  Serve();
  MustAdd(5);
  Watch watch(*model_);
  PublishTinyCheckpoint(store_);
  watch.UntilServing(2);
  v1::SetServingVersionResponse response;
  ASSERT_THAT(SetServingVersion(1, &response), IsOk());
  EXPECT_EQ(response.status().pinned_version(), 1);
  watch.UntilServing(1);
  v1::SearchResponse found;
  ASSERT_THAT(Search(SketchOf(3), &found), IsOk());
  EXPECT_EQ(found.model_version(), 1);
  EXPECT_EQ(found.matches(0).photo_id(), "p3");
}

TEST_F(ModelServiceTest, PinSurvivesARestart) {
  PublishTinyCheckpoint(store_);
  Serve();
  ASSERT_THAT(SetServingVersion(1), IsOk());
  server_.reset();
  Start();
  WaitUntilReady();
  Watch watch(*model_);
  const v1::GetModelStatusResponse status = watch.UntilServing(1);
  EXPECT_EQ(status.pinned_version(), 1);
}

TEST_F(ModelServiceTest, WithoutAVersionTheNewestIsFollowed) {
  PublishTinyCheckpoint(store_);
  Serve();
  ASSERT_THAT(SetServingVersion(1), IsOk());
  Watch watch(*model_);
  watch.UntilServing(1);
  ASSERT_THAT(SetServingVersion(std::nullopt), IsOk());
  EXPECT_FALSE(watch.UntilServing(2).has_pinned_version());
}

TEST_F(ModelServiceTest, UnknownVersionIsNotFound) {
  Serve();
  const grpc::Status status = SetServingVersion(9);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_THAT(status.error_message(), HasSubstr("version: 9"));
}

}  // namespace
}  // namespace s2p::test
