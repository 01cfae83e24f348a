#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "client/commands/commands.h"
#include "tests/client/fake_search_server.h"
#include "tests/testing/status_matchers.h"

namespace s2p {
namespace {

using test::IsOk;
using test::StatusIs;
using testing::EndsWith;
using testing::HasSubstr;
using State = v1::ModelVersion;

// Version 1 serves; version 2 is in `state`.
v1::GetModelStatusResponse Status(State::State state) {
  v1::GetModelStatusResponse status;
  v1::ModelVersion& newer = *status.add_versions();
  newer.set_version(2);
  newer.set_state(state);
  v1::ModelVersion& older = *status.add_versions();
  older.set_version(1);
  older.set_state(State::STATE_SERVING);
  status.set_serving_version(1);
  return status;
}

class ModelCommandTest : public testing::Test {
 protected:
  ModelCommandTest() {
    ClientOptions options;
    options.server = server_.address();
    client_ = *SearchClient::Create(options);
  }
  // Watches until the fake server has no more statuses.
  std::string Watch(std::deque<std::vector<v1::GetModelStatusResponse>> watches,
                    bool json = false) {
    server_.SetWatches(std::move(watches));
    const absl::Status status = RunModelWatch(*client_, json, out_);
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kFailedPrecondition));
    return out_.str();
  }

  test::FakeSearchServer server_;
  std::unique_ptr<SearchClient> client_;
  std::ostringstream out_;
};

TEST_F(ModelCommandTest, PinSaysWhatIsPinnedAndWhatServesNow) {
  ASSERT_THAT(RunModelPin(*client_, 8, /*json=*/false, out_), IsOk());
  EXPECT_EQ(out_.str(), "version 8 is pinned; now version 7 serves\n");
}

TEST_F(ModelCommandTest, UnknownVersionIsNotFound) {
  const absl::Status status = RunModelPin(*client_, 9, /*json=*/false, out_);
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kNotFound, HasSubstr("version: 9")));
  EXPECT_EQ(out_.str(), "");
}

TEST_F(ModelCommandTest, FollowRemovesThePin) {
  ASSERT_THAT(RunModelPin(*client_, 7, /*json=*/false, out_), IsOk());
  out_.str("");
  ASSERT_THAT(RunModelFollow(*client_, /*json=*/false, out_), IsOk());
  EXPECT_EQ(out_.str(), "following the newest version; now version 7 serves\n");
  EXPECT_FALSE(client_->GetModelStatus()->has_pinned_version());
}

TEST_F(ModelCommandTest, JsonIsTheReply) {
  ASSERT_THAT(RunModelPin(*client_, 7, /*json=*/true, out_), IsOk());
  EXPECT_THAT(out_.str(), HasSubstr("\"pinnedVersion\": \"7\""));
}

TEST_F(ModelCommandTest, WatchWritesALineForEachChange) {
  v1::GetModelStatusResponse embedding = Status(State::STATE_EMBEDDING);
  embedding.mutable_versions(0)->set_progress(0.25);
  embedding.mutable_versions(0)->mutable_eta()->set_seconds(89);
  embedding.mutable_versions(0)->mutable_eta()->set_nanos(500'000'000);
  v1::GetModelStatusResponse swapped = Status(State::STATE_SERVING);
  swapped.mutable_versions(1)->set_state(State::STATE_RETIRED);
  swapped.set_serving_version(2);
  EXPECT_EQ(Watch({{Status(State::STATE_PUBLISHED), embedding, embedding, swapped}}),
            "following the newest version\n"
            "version 1: SERVING\n"
            "version 2: PUBLISHED\n"
            "version 1 serves\n"
            "version 2: EMBEDDING 25 %, 1m30s left\n"
            "version 1: RETIRED\n"
            "version 2: SERVING\n"
            "version 2 serves\n");
}

TEST_F(ModelCommandTest, WatchShowsFailureReasonAndPin) {
  v1::GetModelStatusResponse failed = Status(State::STATE_FAILED);
  failed.mutable_versions(0)->set_failure("weights:\nsha256 differs");
  failed.set_pinned_version(1);
  const std::string text = Watch({{failed}});
  EXPECT_THAT(text, HasSubstr("version 1 is pinned\n"));
  EXPECT_THAT(text, HasSubstr("version 2: FAILED: weights:"));
  EXPECT_THAT(text, HasSubstr("sha256 differs\n"));
}

TEST_F(ModelCommandTest, WatchShowsWhatBreaksAndWhenItIsOver) {
  v1::GetModelStatusResponse broken = Status(State::STATE_PUBLISHED);
  v1::Fault& fault = *broken.add_faults();
  fault.set_kind(v1::Fault::KIND_DISK_FULL);
  fault.set_message("the server's disk\nis full");
  EXPECT_THAT(Watch({{broken, broken, Status(State::STATE_PUBLISHED)}}),
              EndsWith("version 1 serves\n"
                       "fault disk_full: the server's disk\\nis full\n"
                       "over: fault disk_full: the server's disk\\nis full\n"));
}

TEST_F(ModelCommandTest, WatchContinuesAfterABrokenStream) {
  EXPECT_THAT(Watch({{Status(State::STATE_PUBLISHED)}, {Status(State::STATE_LOADING)}}),
              HasSubstr("version 2: PUBLISHED\nversion 1 serves\nversion 2: LOADING\n"));
}

TEST_F(ModelCommandTest, WatchAsJsonPrintsOneLinePerStatus) {
  const std::string text =
      Watch({{Status(State::STATE_PUBLISHED), Status(State::STATE_LOADING)}}, /*json=*/true);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2);
  EXPECT_THAT(text, HasSubstr("\"state\":\"STATE_LOADING\""));
}

TEST_F(ModelCommandTest, WatchEndsWhenNobodyReads) {
  server_.SetWatches({{Status(State::STATE_PUBLISHED)}});
  out_.setstate(std::ios::failbit);
  EXPECT_THAT(RunModelWatch(*client_, /*json=*/false, out_), StatusIs(absl::StatusCode::kDataLoss));
}

}  // namespace
}  // namespace s2p
