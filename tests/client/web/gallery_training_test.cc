// Training on the gallery, from the browser's request to the job.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "client/web/web_server.h"
#include "tests/client/fake_search_server.h"
#include "tests/client/fake_training_server.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace s2p {
namespace {

using Json = nlohmann::json;
using test::IsOk;
using test::StatusIs;
using testing::HasSubstr;

constexpr char kPath[] = "/api/training/gallery";

class GalleryTrainingTest : public testing::Test {
 protected:
  GalleryTrainingTest() {
    options_.listen = "127.0.0.1:0";
    options_.server.server = server_.address();
    options_.trainer.emplace();
    options_.trainer->server = trainer_.address();
    options_.gallery_training.export_dir = dir_.File("exports");
    options_.gallery_training.retry_pause = absl::ZeroDuration();
  }
  void Start() {
    auto web = WebServer::Start(options_);
    ASSERT_THAT(web, IsOk());
    web_ = *std::move(web);
    client_ = std::make_unique<httplib::Client>("http://" + web_->address());
    origin_ = {{"Origin", "http://" + web_->address()}};
  }
  void AddPhotos() {
    for (const char* id : {"boot", "shoe"}) {
      const std::string path =
          absl::StrCat("/api/photo?request=%7B%22photoId%22%3A%22", id, "%22%7D");
      ASSERT_EQ(client_->Put(path, origin_, id, "image/png")->status, 200);
    }
  }
  httplib::Result Post(const std::string& path, const std::string& body) {
    return client_->Post(path, origin_, body, "application/json");
  }
  httplib::Result Begin() { return Post(kPath, R"({"spec":{"preset":"day-one"}})"); }
  Json Progress() { return Json::parse(client_->Get(kPath)->body); }
  // Waits until it has ended.
  Json AwaitEnd() {
    Json progress = Progress();
    while (progress["state"] == "EXPORTING" || progress["state"] == "SUBMITTING") {
      std::this_thread::yield();
      progress = Progress();
    }
    return progress;
  }
  bool HasExport() { return std::filesystem::exists(dir_.File("exports/gallery-1")); }

  test::TempDir dir_;
  test::FakeSearchServer server_;
  test::FakeTrainingServer trainer_;
  WebServerOptions options_;
  std::unique_ptr<WebServer> web_;
  std::unique_ptr<httplib::Client> client_;
  httplib::Headers origin_;
};

TEST_F(GalleryTrainingTest, JobTrainsOnTheExport) {
  Start();
  AddPhotos();
  EXPECT_EQ(Progress()["state"], "NONE");
  const auto begun = Begin();
  ASSERT_EQ(begun->status, 200) << begun->body;
  const Json end = AwaitEnd();
  EXPECT_EQ(end["state"], "SUBMITTED") << end;
  EXPECT_EQ(end["jobId"], "job-1");
  EXPECT_EQ(end["sentence"], "Job job-1 was submitted.");
  EXPECT_EQ(end["photosDone"], 2);
  EXPECT_EQ(end["photos"], 2);
  EXPECT_EQ(trainer_.last_spec().preset(), "day-one");
  EXPECT_EQ(trainer_.last_spec().target_dataset(), dir_.File("exports/gallery-1"));
  EXPECT_TRUE(HasExport());
}

TEST_F(GalleryTrainingTest, JobNamesTheFolderAsTheTrainerSeesIt) {
  options_.gallery_training.trainer_export_dir = "exports";
  Start();
  AddPhotos();
  Begin();
  EXPECT_EQ(AwaitEnd()["state"], "SUBMITTED");
  EXPECT_EQ(trainer_.last_spec().target_dataset(), "exports/gallery-1");
}

TEST_F(GalleryTrainingTest, CancelledExportLeavesNothingAndSubmitsNothing) {
  Start();
  AddPhotos();
  server_.HoldNextCall();
  Begin();
  server_.AwaitHeldCall();
  EXPECT_EQ(Progress()["sentence"], "Asking for the photos.");
  EXPECT_EQ(Post(std::string(kPath) + "/cancel", "{}")->status, 200);
  server_.AwaitCancelledCall();
  EXPECT_EQ(AwaitEnd()["state"], "CANCELLED");
  EXPECT_FALSE(HasExport());
  EXPECT_EQ(trainer_.submits(), 0);
}

TEST_F(GalleryTrainingTest, WaitForAServerThatIsAwayCanBeCancelled) {
  options_.gallery_training.retry_pause = absl::Hours(1);
  Start();
  AddPhotos();
  // The list is answered.
  server_.FailNextCall(absl::UnavailableError("going away"), /*after=*/1);
  Begin();
  while (Progress()["photos"] != 2) std::this_thread::yield();
  // Long enough for the call to fail, in nearly all runs.
  absl::SleepFor(absl::Milliseconds(50));
  Post(std::string(kPath) + "/cancel", "{}");
  EXPECT_EQ(AwaitEnd()["state"], "CANCELLED");
  EXPECT_FALSE(HasExport());
  EXPECT_EQ(trainer_.submits(), 0);
}

TEST_F(GalleryTrainingTest, SecondOneIsRefusedUntilTheFirstHasEnded) {
  Start();
  AddPhotos();
  server_.HoldNextCall();
  Begin();
  server_.AwaitHeldCall();
  const auto second = Begin();
  EXPECT_EQ(second->status, 400);
  EXPECT_THAT(second->body, HasSubstr("being exported already"));
  Post(std::string(kPath) + "/cancel", "{}");
  AwaitEnd();
  EXPECT_EQ(Begin()->status, 200);
  EXPECT_EQ(AwaitEnd()["state"], "SUBMITTED");
}

TEST_F(GalleryTrainingTest, ServerThatIsAwayForAMomentIsAskedAgain) {
  Start();
  AddPhotos();
  // The list is answered.
  server_.FailNextCall(absl::UnavailableError("going away"), /*after=*/1);
  Begin();
  EXPECT_EQ(AwaitEnd()["state"], "SUBMITTED");
}

TEST_F(GalleryTrainingTest, FailureIsSaidInASentence) {
  Start();
  AddPhotos();
  server_.FailNextCall(absl::DataLossError("photo boot: bytes differ"), /*after=*/1);
  Begin();
  const Json end = AwaitEnd();
  EXPECT_EQ(end["state"], "FAILED");
  EXPECT_EQ(end["sentence"],
            "A stored file is damaged: photo boot: bytes differ. An operator must look at it.");
  EXPECT_FALSE(HasExport());
}

TEST_F(GalleryTrainingTest, JobThatTheTrainerRefusesKeepsTheExport) {
  Start();
  AddPhotos();
  trainer_.FailNextCall(absl::InvalidArgumentError("initial_weights: no such file"));
  Begin();
  const Json end = AwaitEnd();
  EXPECT_EQ(end["state"], "FAILED");
  EXPECT_THAT(end["sentence"].get<std::string>(), HasSubstr("initial_weights: no such file"));
  Begin();
  EXPECT_EQ(AwaitEnd()["state"], "SUBMITTED");
  EXPECT_EQ(trainer_.last_spec().target_dataset(), dir_.File("exports/gallery-1"));
}

TEST_F(GalleryTrainingTest, JobIsNotSubmittedTwiceOverABrokenConnection) {
  Start();
  AddPhotos();
  trainer_.FailNextCall(absl::UnavailableError("going away"));
  Begin();
  EXPECT_EQ(AwaitEnd()["state"], "FAILED");
  EXPECT_EQ(trainer_.submits(), 0);
}

TEST_F(GalleryTrainingTest, SpecWithATargetIsRefused) {
  Start();
  const auto answer = Post(kPath, R"({"spec":{"targetDataset":"elsewhere"}})");
  EXPECT_EQ(answer->status, 400);
  EXPECT_THAT(answer->body, HasSubstr("spec.target_dataset"));
}

TEST_F(GalleryTrainingTest, GatewayThatStopsEndsTheExport) {
  Start();
  AddPhotos();
  server_.HoldNextCall();
  Begin();
  server_.AwaitHeldCall();
  web_.reset();
  EXPECT_FALSE(HasExport());
}

TEST_F(GalleryTrainingTest, OnlyOperatorsTrain) {
  std::ofstream(dir_.File("password")) << "open sesame\n";
  std::filesystem::permissions(dir_.File("password"), std::filesystem::perms::owner_read);
  options_.operator_password_file = dir_.File("password");
  Start();
  EXPECT_EQ(client_->Get(kPath)->status, 401);
  EXPECT_EQ(Begin()->status, 401);
  EXPECT_EQ(Post(std::string(kPath) + "/cancel", "{}")->status, 401);
}

TEST_F(GalleryTrainingTest, WithoutAFolderItIsNotOffered) {
  const auto is_offered = [this] {
    return Json::parse(client_->Get("/api/session")->body)["galleryTraining"].get<bool>();
  };
  Start();
  EXPECT_TRUE(is_offered());
  options_.gallery_training.export_dir = "";
  Start();
  EXPECT_FALSE(is_offered());
  EXPECT_EQ(Begin()->status, 404);
}

TEST_F(GalleryTrainingTest, FolderWithoutATrainerIsRefused) {
  options_.trainer.reset();
  EXPECT_THAT(WebServer::Start(options_),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("--trainer")));
}

}  // namespace
}  // namespace s2p
