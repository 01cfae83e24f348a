#include "client/connection/search_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "client/connection/grpc_channel.h"
#include "tests/client/fake_search_server.h"
#include "tests/testing/certificate.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace s2p {
namespace {

using test::IsOk;
using test::StatusIs;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class SearchClientTest : public testing::Test {
 protected:
  std::unique_ptr<SearchClient> Connect(const std::string& api_key = "") {
    ClientOptions options;
    options.server = server_.address();
    options.api_key = api_key;
    return *SearchClient::Create(options);
  }
  // Adds photos "0", "1", ...; those of `unreadable` fail before they are sent.
  absl::Status Add(size_t count, const std::vector<size_t>& unreadable = {}) {
    return Connect()->AddPhotos(
        count,
        [&](size_t index) -> absl::StatusOr<v1::AddPhotoRequest> {
          for (size_t bad : unreadable) {
            if (bad == index) return absl::NotFoundError("no file");
          }
          v1::AddPhotoRequest request;
          request.set_photo_id(absl::StrCat(index));
          request.set_image(images_.count(index) > 0 ? images_.at(index) : "x");
          return request;
        },
        [this](const AddOutcome& outcome) {
          EXPECT_EQ(outcome.index, outcomes_.size()) << "outcomes come in order, each once";
          outcomes_.push_back(outcome);
        },
        [this](const absl::Status& why) { breaks_.push_back(why); });
  }

  test::FakeSearchServer server_;
  // The images that are not "x".
  std::map<size_t, std::string> images_;
  std::vector<AddOutcome> outcomes_;
  std::vector<absl::Status> breaks_;
};

TEST_F(SearchClientTest, EveryPhotoHasItsOutcomeInOrder) {
  ASSERT_THAT(Add(5), IsOk());
  ASSERT_EQ(outcomes_.size(), 5u);
  EXPECT_EQ(outcomes_[4].response.photo_id(), "4");
  EXPECT_EQ(server_.photo_ids().size(), 5u);
}

TEST_F(SearchClientTest, PhotoThatCannotBeReadFailsAloneAndInItsPlace) {
  ASSERT_THAT(Add(5, {0, 3, 4}), IsOk());
  ASSERT_EQ(outcomes_.size(), 5u);
  EXPECT_THAT(outcomes_[0].status, StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(outcomes_[1].status, IsOk());
  EXPECT_THAT(outcomes_[3].status, StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(server_.photo_ids(), ElementsAre("1", "2"));
}

TEST_F(SearchClientTest, BrokenStreamResumesWhereTheAnswersStopped) {
  server_.BreakNextStreamAfter(2);
  ASSERT_THAT(Add(5), IsOk());
  EXPECT_EQ(outcomes_.size(), 5u);
  EXPECT_EQ(server_.streams(), 2);
  ASSERT_EQ(breaks_.size(), 1u);
  EXPECT_EQ(breaks_[0].message(), "going away");
}

TEST_F(SearchClientTest, ServerThatIsTemporarilyDownIsWaitedFor) {
  server_.BreakNextStreamAfter(2);
  server_.BreakNextStreamAfter(0);
  server_.BreakNextStreamAfter(0);
  ASSERT_THAT(Add(5), IsOk());
  EXPECT_EQ(outcomes_.size(), 5u);
  EXPECT_EQ(server_.streams(), 4);
  // gRPC itself retries a stream that breaks before its first answer.
  EXPECT_GE(breaks_.size(), 1u);
  EXPECT_THAT(server_.photo_ids(), ElementsAre("0", "1", "2", "3", "4"));
}

TEST_F(SearchClientTest, PhotoThatAStoppingServerRefusesIsSentAgain) {
  server_.RefuseNextPhoto(absl::UnavailableError("the server is shutting down"), 3);
  ASSERT_THAT(Add(5), IsOk());
  EXPECT_EQ(outcomes_.size(), 5u);
  for (const AddOutcome& outcome : outcomes_) EXPECT_THAT(outcome.status, IsOk());
  EXPECT_EQ(breaks_.size(), 1u);
}

TEST_F(SearchClientTest, StreamWithoutProgressFails) {
  server_.FailNextCall(absl::FailedPreconditionError("not now"));
  const absl::Status status = Add(2);
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kFailedPrecondition, "not now"));
  EXPECT_TRUE(outcomes_.empty());
}

TEST_F(SearchClientTest, MessageThatTheServerCannotReadFailsAloneInItsPlace) {
  images_ = {{1, "garbled"}, {4, "garbled"}};
  ASSERT_THAT(Add(6), IsOk());
  ASSERT_EQ(outcomes_.size(), 6u);
  for (size_t i = 0; i < 6; ++i) EXPECT_EQ(outcomes_[i].status.ok(), i != 1 && i != 4) << i;
  EXPECT_THAT(outcomes_[1].status.message(), HasSubstr("cannot be read"));
  EXPECT_THAT(server_.photo_ids(), ElementsAre("0", "2", "3", "5"));
}

TEST_F(SearchClientTest, MessageThatIsTooLargeFailsAloneWithBothNumbers) {
  images_ = {{2, std::string(5 << 20, 'x')}};
  ASSERT_THAT(Add(5), IsOk());
  ASSERT_EQ(outcomes_.size(), 5u);
  EXPECT_THAT(
      outcomes_[2].status,
      StatusIs(
          absl::StatusCode::kInvalidArgument,
          "the request has 5242888 bytes; the server takes at most 4194304 (--max-message-bytes)"));
  EXPECT_THAT(server_.photo_ids(), ElementsAre("0", "1", "3", "4"));
}

TEST_F(SearchClientTest, StreamOfNothingButUnreadableMessagesEnds) {
  images_ = {{0, "garbled"}, {1, "garbled"}, {2, "garbled"}};
  ASSERT_THAT(Add(3), IsOk());
  EXPECT_EQ(outcomes_.size(), 3u);
  EXPECT_LE(server_.streams(), 6);
}

TEST_F(SearchClientTest, RequestThatIsTooLargeIsRefusedWithBothNumbers) {
  v1::SearchRequest request;
  request.add_examples()->set_image(std::string(5 << 20, 'x'));
  const auto response = Connect()->Search(request);
  EXPECT_THAT(response, StatusIs(absl::StatusCode::kInvalidArgument,
                                 HasSubstr("the server takes at most 4194304")));
}

TEST_F(SearchClientTest, ServersLimitOf64MiBIsTheServers) {
  const absl::Status status = FromGrpc({grpc::StatusCode::RESOURCE_EXHAUSTED,
                                        "Received message larger than max (70000000 vs. 67108864)"},
                                       "x", "s2p-server");
  EXPECT_THAT(status.message(), HasSubstr("the server takes at most 67108864"));
}

TEST_F(SearchClientTest, AddingNothingSucceeds) { EXPECT_THAT(Add(0), IsOk()); }

TEST_F(SearchClientTest, BusyServerIsRetried) {
  server_.FailNextCall(absl::ResourceExhaustedError("full"));
  EXPECT_THAT(Connect()->GetGalleryStats(), IsOk());
}

TEST_F(SearchClientTest, ErrorKeepsCodeAndMessage) {
  server_.FailNextCall(absl::InvalidArgumentError("top_k: must be 1 to 1000"));
  const auto response = Connect()->Search(v1::SearchRequest());
  EXPECT_THAT(response, StatusIs(absl::StatusCode::kInvalidArgument, "top_k: must be 1 to 1000"));
}

TEST_F(SearchClientTest, KeyIsSentWithEveryCall) {
  server_.RequireKey("secret");
  EXPECT_THAT(Connect()->GetGalleryStats(), StatusIs(absl::StatusCode::kUnauthenticated));
  EXPECT_THAT(Connect("secret")->GetGalleryStats(), IsOk());
}

TEST_F(SearchClientTest, SinkEndsAStreamOfChunks) {
  ASSERT_THAT(Add(1), IsOk());
  v1::GetPhotoRequest request;
  request.set_photo_id("0");
  const absl::Status status = Connect()->GetPhoto(
      request, [](const v1::GetPhotoResponse&) { return absl::AbortedError("enough"); });
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kAborted));
}

TEST(SearchClientAloneTest, AddingToNoServerFailsAtOnce) {
  ClientOptions options;
  options.server = "127.0.0.1:1";
  options.timeout = absl::InfiniteDuration();
  const auto client = SearchClient::Create(options);
  // The first file cannot be read, which does not count as an answer from the server.
  const absl::Status status = (*client)->AddPhotos(
      2,
      [](size_t index) -> absl::StatusOr<v1::AddPhotoRequest> {
        if (index == 0) return absl::NotFoundError("no file");
        return v1::AddPhotoRequest();
      },
      [](const AddOutcome& outcome) { EXPECT_EQ(outcome.index, 0u); },
      [](const absl::Status&) { FAIL(); });
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnavailable, HasSubstr("127.0.0.1:1")));
}

TEST(SearchClientAloneTest, UnreachableServerIsNamed) {
  ClientOptions options;
  options.server = "127.0.0.1:1";
  const auto stats = (*SearchClient::Create(options))->GetGalleryStats();
  EXPECT_THAT(stats, StatusIs(absl::StatusCode::kUnavailable, HasSubstr("127.0.0.1:1")));
  EXPECT_THAT(std::string(stats.status().message()), HasSubstr("--server"));
}

// Nothing listens at the proxy's address.
class BehindProxyTest : public testing::Test {
 protected:
  BehindProxyTest() { setenv("http_proxy", "http://me:secret@127.0.0.1:1", 1); }
  ~BehindProxyTest() override { unsetenv("http_proxy"); }
};

TEST_F(BehindProxyTest, ServerOnThisMachineIsReachedDirectly) {
  test::FakeSearchServer server;
  ClientOptions options;
  options.server = server.address();
  EXPECT_THAT((*SearchClient::Create(options))->GetGalleryStats(), IsOk());
}

TEST_F(BehindProxyTest, FailureElsewhereNamesTheProxyWithoutItsPassword) {
  ClientOptions options;
  options.server = "search.invalid:50051";
  options.retry = false;
  const auto stats = (*SearchClient::Create(options))->GetGalleryStats();
  EXPECT_THAT(stats, StatusIs(absl::StatusCode::kUnavailable));
  const std::string message(stats.status().message());
  EXPECT_THAT(message, HasSubstr("the proxy http://127.0.0.1:1 of http_proxy"));
  EXPECT_THAT(message, HasSubstr("add search.invalid to no_proxy"));
  EXPECT_THAT(message, Not(HasSubstr("secret")));
}

TEST(SearchClientAloneTest, InvalidServerAddressIsRefusedImmediately) {
  ClientOptions options;
  options.server = "--trainer";
  const absl::Status status = SearchClient::Create(options).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument,
                               HasSubstr("'--trainer' is not a server address")));
}

TEST(SearchClientAloneTest, KeyThatHttpDoesNotAllowIsRefusedAndNotShown) {
  ClientOptions options;
  for (const char* key : {"secret\r",
                          "s\xC3\xA9"
                          "cret",
                          "two keys"}) {
    options.api_key = key;
    const absl::Status status = SearchClient::Create(options).status();
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument,
                                 AllOf(HasSubstr("--api-key"), Not(HasSubstr("cret")))));
  }
}

TEST(SearchClientAloneTest, KeyStaysOnThisMachineWithoutTls) {
  ClientOptions options;
  options.api_key = "secret";
  for (const char* server : {"photos.example:1", "203.0.113.7:1", "ipv4:203.0.113.7:1"}) {
    options.server = server;
    EXPECT_THAT(SearchClient::Create(options),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(HasSubstr("in plain text"), HasSubstr(server),
                               HasSubstr("--insecure"), Not(HasSubstr("secret")))));
  }
  for (const char* server : {"127.0.0.1:1", "localhost:1", "[::1]:1", "unix:/run/s2p"}) {
    options.server = server;
    EXPECT_THAT(SearchClient::Create(options), IsOk()) << server;
  }
}

TEST(SearchClientAloneTest, KeyTravelsIfTheNetworkIsSaidToBeSafe) {
  ClientOptions options;
  options.server = "203.0.113.7:1";
  EXPECT_THAT(SearchClient::Create(options), IsOk()) << "no key, nothing to protect";
  options.api_key = "secret";
  options.insecure = true;
  EXPECT_THAT(SearchClient::Create(options), IsOk());
}

TEST(SearchClientAloneTest, KeyComesFromItsFile) {
  test::TempDir dir;
  ClientOptions options;
  options.api_key_file = dir.File("key");
  EXPECT_THAT(ReadApiKey(options),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr(dir.File("key"))));
  std::ofstream(dir.File("key")) << "secret\n";
  std::filesystem::permissions(dir.File("key"), std::filesystem::perms::owner_read);
  EXPECT_THAT(ReadApiKey(options), IsOk());
  EXPECT_EQ(options.api_key, "secret");
  EXPECT_THAT(ReadApiKey(options),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("give one")));
}

TEST(SearchClientAloneTest, MissingCertificateFileIsNamed) {
  ClientOptions options;
  options.tls_ca = "/nowhere/ca.pem";
  const auto client = SearchClient::Create(options);
  EXPECT_THAT(client, StatusIs(absl::StatusCode::kNotFound, HasSubstr("/nowhere/ca.pem")));
}

TEST(SearchClientAloneTest, CertificateWithoutKeyIsRefused) {
  ClientOptions options;
  options.tls_cert = "cert.pem";
  EXPECT_THAT(SearchClient::Create(options), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(SearchClientAloneTest, KeyOfAnotherCertificateIsRefused) {
  const test::TempDir dir;
  const test::Certificate one = test::MakeCertificate();
  std::ofstream(dir.File("cert.pem")) << one.cert;
  std::ofstream(dir.File("key.pem")) << test::MakeCertificate().key;
  ClientOptions options;
  options.tls_ca = options.tls_cert = dir.File("cert.pem");
  options.tls_key = dir.File("key.pem");
  EXPECT_THAT(SearchClient::Create(options),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("is not the key of")));
}

}  // namespace
}  // namespace s2p
