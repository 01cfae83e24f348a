#include "server/rpc/server.h"

#include <filesystem>
#include <sstream>
#include <thread>

#include "absl/synchronization/notification.h"
#include "daemon/log.h"
#include "server/rpc/grpc_status.h"
#include "tests/server/rpc/server_fixture.h"
#include "tests/testing/raw_call.h"

namespace s2p::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST_F(ServerTest, ServesAModelThatIsPublishedLater) {
  Start();
  EXPECT_FALSE(server_->ready());
  PublishTinyCheckpoint(store_);
  WaitUntilReady();
  EXPECT_TRUE(Search(SketchOf(1)).ok());
}

TEST_F(ServerTest, SecondServerOnTheFolderIsRefused) {
  Serve();
  const auto second = SearchServer::Start(options_);
  EXPECT_EQ(second.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(second.status().message()), HasSubstr(options_.data_dir));
}

TEST_F(ServerTest, TakenPortIsNamed) {
  Serve();
  options_.data_dir = dir_.File("other");
  options_.listen = server_->address();
  const auto grpc_port = SearchServer::Start(options_);
  EXPECT_EQ(grpc_port.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(grpc_port.status().message()), HasSubstr(server_->address()));
  options_.listen = "127.0.0.1:0";
  options_.http = server_->http_address();
  const auto http_port = SearchServer::Start(options_);
  EXPECT_EQ(http_port.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(http_port.status().message()), HasSubstr(server_->http_address()));
}

TEST_F(ServerTest, GalleryIsThereAfterARestart) {
  Serve();
  MustAdd(5);
  server_.reset();
  Start();
  WaitUntilReady();
  v1::SearchResponse response;
  ASSERT_TRUE(Search(SketchOf(3), &response).ok());
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
  // Until the gallery is embedded with it, the older one serves.
  do {
    ASSERT_TRUE(Search(SketchOf(3), &response).ok());
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
  EXPECT_TRUE(status.ok()) << status.error_message();
}

TEST_F(ServerTest, StatusShowsWhatServes) {
  Serve();
  grpc::ClientContext context;
  v1::GetModelStatusResponse status;
  ASSERT_TRUE(model_->GetModelStatus(&context, {}, &status).ok());
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
  ASSERT_TRUE(ConfigureLog(LogOptions(), &log).ok());
  Start();
  server_.reset();
  ASSERT_TRUE(ConfigureLog(LogOptions()).ok());
  EXPECT_THAT(log.str(), AllOf(HasSubstr("photos of the gallery are missing"),
                               HasSubstr("photos=2"), HasSubstr(options_.data_dir)));
}

TEST_F(ServerTest, GalleryWithoutItsCatalogueIsRefused) {
  Serve();
  MustAdd(1);
  server_.reset();
  std::filesystem::remove(options_.data_dir + "/gallery.db");
  const absl::Status status = SearchServer::Start(options_).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("gallery.db: is missing"));
}

TEST_F(ServerTest, BadKeyFileIsNamed) {
  options_.credentials.api_key_file = dir_.File("none");
  const auto server = SearchServer::Start(options_);
  EXPECT_EQ(server.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(server.status().message()), HasSubstr(dir_.File("none")));
}

TEST_F(ServerTest, ListeningForEverybodyNeedsADecision) {
  options_.listen = "0.0.0.0:0";
  EXPECT_EQ(SearchServer::Start(options_).status().code(), absl::StatusCode::kInvalidArgument);
  options_.credentials.insecure = true;
  EXPECT_TRUE(SearchServer::Start(options_).ok());
}

TEST(GrpcStatusTest, CodesAreTheSameOnBothSides) {
  for (int code = 0; code <= 16; ++code) {
    const absl::Status status(static_cast<absl::StatusCode>(code), code == 0 ? "" : "words");
    EXPECT_EQ(static_cast<int>(ToGrpc(status).error_code()), code);
    EXPECT_EQ(ToProto(status).code(), code);
    EXPECT_EQ(ToGrpc(status).error_message(), code == 0 ? "" : "words");
  }
}

}  // namespace
}  // namespace s2p::testing
