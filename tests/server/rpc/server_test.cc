#include "server/rpc/server.h"

#include <filesystem>
#include <sstream>
#include <thread>

#include "absl/synchronization/notification.h"
#include "daemon/log.h"
#include "rpc/grpc_status.h"
#include "server/rpc/to_proto.h"
#include "tests/server/rpc/server_fixture.h"
#include "tests/testing/raw_call.h"
#include "tests/testing/status_matchers.h"

namespace s2p::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

TEST_F(ServerTest, ServesAModelThatIsPublishedLater) {
  Start();
  EXPECT_FALSE(server_->ready());
  PublishTinyCheckpoint(store_);
  WaitUntilReady();
  EXPECT_THAT(Search(SketchOf(1)), IsOk());
}

TEST_F(ServerTest, SecondServerOnTheFolderIsRefused) {
  Serve();
  const auto second = SearchServer::Start(options_);
  EXPECT_THAT(second,
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr(options_.data_dir)));
}

TEST_F(ServerTest, TakenPortIsNamed) {
  Serve();
  options_.data_dir = dir_.File("other");
  options_.host.listen = server_->address();
  const auto grpc_port = SearchServer::Start(options_);
  EXPECT_THAT(grpc_port, StatusIs(absl::StatusCode::kUnavailable, HasSubstr(server_->address())));
  options_.host.listen = "127.0.0.1:0";
  options_.host.http = server_->http_address();
  const auto http_port = SearchServer::Start(options_);
  EXPECT_THAT(http_port,
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr(server_->http_address())));
}

TEST_F(ServerTest, GalleryIsThereAfterARestart) {
  Serve();
  MustAdd(5);
  server_.reset();
  Start();
  WaitUntilReady();
  v1::SearchResponse response;
  ASSERT_THAT(Search(SketchOf(3), &response), IsOk());
  EXPECT_EQ(response.matches(0).photo_id(), "p3");
}

TEST_F(ServerTest, NewerModelServesTheSameGalleryAfterARestart) {
  Serve();
  MustAdd(5);
  server_.reset();
  PublishTinyCheckpoint(store_);
  Start();
  WaitUntilReady();
  v1::SearchResponse response;
  // The older version serves until the gallery is embedded with the newer one.
  do {
    ASSERT_THAT(Search(SketchOf(3), &response), IsOk());
    EXPECT_EQ(response.matches(0).photo_id(), "p3");
  } while (response.model_version() != 2);
}

TEST_F(ServerTest, DrainLetsASearchEnd) {
  absl::Notification encoding, go_on;
  on_encode_ = [&](absl::Span<const EncoderInput>) {
    if (!encoding.HasBeenNotified()) encoding.Notify();
    go_on.WaitForNotification();
    return absl::OkStatus();
  };
  Serve();
  grpc::Status status(grpc::StatusCode::UNKNOWN, "not done");
  std::thread searcher([&] { status = Search(SketchOf(1)); });
  encoding.WaitForNotification();
  std::thread drainer([this] { server_->Shutdown(absl::Seconds(60)); });
  go_on.Notify();
  drainer.join();
  searcher.join();
  EXPECT_THAT(status, IsOk()) << status.error_message();
}

TEST_F(ServerTest, SearchesAreAnsweredWhileHealthSaysThatNothingServes) {
  Serve();
  EXPECT_EQ(Health(channel_, "s2p.v1.SearchService"), "SERVING");
  server_->StopServing();
  EXPECT_FALSE(server_->ready());
  EXPECT_EQ(Health(channel_, "s2p.v1.SearchService"), "NOT_SERVING");
  EXPECT_THAT(Search(SketchOf(1)), IsOk());
}

TEST_F(ServerTest, StatusShowsWhatServes) {
  Serve();
  grpc::ClientContext context;
  v1::GetModelStatusResponse status;
  ASSERT_THAT(model_->GetModelStatus(&context, {}, &status), IsOk());
  EXPECT_EQ(status.serving_version(), 1);
  EXPECT_EQ(status.device(), "cpu");
  ASSERT_EQ(status.versions_size(), 1);
  EXPECT_EQ(status.versions(0).state(), v1::ModelVersion::STATE_SERVING);
  EXPECT_EQ(status.versions(0).arch(), "resnet18");
}

TEST_F(ServerTest, SearchIsNotServedBeforeAModelServesAndTheOtherServicesAre) {
  Start();
  EXPECT_EQ(Health(channel_, ""), "NOT_SERVING");
  EXPECT_EQ(Health(channel_, "s2p.v1.SearchService"), "NOT_SERVING");
  EXPECT_EQ(Health(channel_, "s2p.v1.GalleryService"), "SERVING");
  EXPECT_EQ(Health(channel_, "s2p.v1.ModelService"), "SERVING");
}

TEST_F(ServerTest, EveryServiceIsServedWhenAModelServes) {
  Serve();
  // The snapshot is there a moment before its loader reports it.
  while (Health(channel_, "s2p.v1.SearchService") != "SERVING") std::this_thread::yield();
  for (const char* service : {"", "s2p.v1.GalleryService", "s2p.v1.ModelService"}) {
    EXPECT_EQ(Health(channel_, service), "SERVING") << service;
  }
  EXPECT_EQ(Health(channel_, "s2p.v1.TrainingService"), "NOT_FOUND");
}

TEST_F(ServerTest, PhotosThatAreMissingAtTheStartAreInTheLog) {
  Serve();
  MustAdd(2);
  server_.reset();
  std::filesystem::remove_all(options_.data_dir + "/photos");
  std::ostringstream log;
  ASSERT_THAT(ConfigureLog(LogOptions(), &log), IsOk());
  Start();
  server_.reset();
  ASSERT_THAT(ConfigureLog(LogOptions()), IsOk());
  EXPECT_THAT(log.str(), AllOf(HasSubstr("photos of the gallery are missing"),
                               HasSubstr("photos=2"), HasSubstr(options_.data_dir)));
}

TEST_F(ServerTest, GalleryWithoutItsCatalogueIsRefused) {
  Serve();
  MustAdd(1);
  server_.reset();
  std::filesystem::remove(options_.data_dir + "/gallery.db");
  const absl::Status status = SearchServer::Start(options_).status();
  EXPECT_THAT(status,
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("gallery.db: is missing")));
}

TEST_F(ServerTest, BadKeyFileIsNamed) {
  options_.host.credentials.api_key_file = dir_.File("none");
  const auto server = SearchServer::Start(options_);
  EXPECT_THAT(server, StatusIs(absl::StatusCode::kNotFound, HasSubstr(dir_.File("none"))));
}

TEST_F(ServerTest, ListeningForEverybodyNeedsADecision) {
  options_.host.listen = "0.0.0.0:0";
  EXPECT_THAT(SearchServer::Start(options_), StatusIs(absl::StatusCode::kInvalidArgument));
  options_.host.credentials.insecure = true;
  EXPECT_THAT(SearchServer::Start(options_), IsOk());
}

TEST(GrpcStatusTest, CodesAreTheSameOnBothSides) {
  for (int code = 0; code <= 16; ++code) {
    const absl::Status status(static_cast<absl::StatusCode>(code), code == 0 ? "" : "words");
    EXPECT_EQ(static_cast<int>(ToGrpc(status).error_code()), code);
    EXPECT_EQ(ToProto(status, {}).code(), code);
    EXPECT_EQ(ToGrpc(status).error_message(), code == 0 ? "" : "words");
  }
}

}  // namespace
}  // namespace s2p::test
