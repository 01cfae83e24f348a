#include "client/web/web_server.h"

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <httplib.h>
#include <sys/socket.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/synchronization/notification.h"
#include "client/web/page_files.h"
#include "daemon/listen_address.h"
#include "daemon/log.h"
#include "s2p/v1/search.grpc.pb.h"
#include "tests/client/fake_search_server.h"
#include "tests/client/fake_training_server.h"
#include "tests/daemon/http/raw_client.h"
#include "tests/testing/certificate.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace s2p {
namespace {

using test::IsOk;
using test::StatusIs;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

constexpr char kPhoto[] = "/api/photo?request=%7B%22photoId%22%3A%22a%2F1%22%7D";
constexpr char kSearch[] = R"({"examples":[{"image":"aGVsbG8="}],"topK":3})";

class WebServerTest : public testing::Test {
 protected:
  void Start() {
    options_.listen = "127.0.0.1:0";
    if (options_.server.server == kDefaultServer) options_.server.server = server_.address();
    auto web = WebServer::Start(options_);
    ASSERT_THAT(web, IsOk());
    web_ = *std::move(web);
    client_ = std::make_unique<httplib::Client>("http://" + web_->address());
    origin_ = {{"Origin", "http://" + web_->address()}};
  }

  // Replaces the file of the operators' password, and names it in the options.
  void WritePassword(const std::string& password) {
    options_.operator_password_file = Replace("password", password);
  }
  // Replaces a file, which only we can read, and returns its path.
  std::string Replace(const std::string& name, const std::string& text) {
    const std::string path = dir_.File(name);
    std::ofstream(path + ".new") << text << '\n';
    std::filesystem::permissions(path + ".new", std::filesystem::perms::owner_read);
    std::filesystem::rename(path + ".new", path);
    return path;
  }
  int Login(const std::string& password) {
    const auto answer = client_->Post("/api/login", nlohmann::json({{"password", password}}).dump(),
                                      "application/json");
    if (answer->status == 204) {
      const std::string cookie = answer->get_header_value("Set-Cookie");
      origin_.erase("Cookie");
      origin_.emplace("Cookie", cookie.substr(0, cookie.find(';')));
    }
    return answer->status;
  }
  // How often files were read again, "ok" or "failed".
  std::string Reloads(const std::string& files, const std::string& result) {
    const std::string text = client_->Get("/metrics")->body;
    const std::string name =
        absl::StrCat("s2p_reloads_total{files=\"", files, "\",result=\"", result, "\"} ");
    const size_t at = text.find(name);
    return at == std::string::npos ? "" : text.substr(at + name.size(), 1);
  }

  httplib::Result PutPhoto(const std::string& bytes) {
    return client_->Put(kPhoto, origin_, bytes, "image/png");
  }
  int port() const { return ParseListenAddress(web_->address())->port; }
  static nlohmann::json ErrorOf(const httplib::Result& answer) {
    return nlohmann::json::parse(answer->body).at("error");
  }

  test::TempDir dir_;
  test::FakeSearchServer server_;
  WebServerOptions options_;
  std::unique_ptr<WebServer> web_;
  std::unique_ptr<httplib::Client> client_;
  httplib::Headers origin_;
};

TEST_F(WebServerTest, AddedPhotoIsFoundShownAndDeleted) {
  Start();
  const auto added = PutPhoto("hello");
  ASSERT_EQ(added->status, 200) << added->body;
  EXPECT_EQ(nlohmann::json::parse(added->body)["result"], "RESULT_ADDED");
  const auto found = client_->Post("/api/search", kSearch, "application/json");
  ASSERT_EQ(found->status, 200) << found->body;
  EXPECT_EQ(nlohmann::json::parse(found->body)["matches"][0]["photoId"], "a/1");
  EXPECT_EQ(client_->Get("/api/photo/original?id=a%2F1")->body, "hello");
  const auto deleted =
      client_->Post("/api/photos/delete", origin_, R"({"photoIds":["a/1"]})", "application/json");
  EXPECT_EQ(nlohmann::json::parse(deleted->body)["deletedCount"], 1);
  EXPECT_THAT(server_.photo_ids(), IsEmpty());
}

TEST_F(WebServerTest, PictureThatTheBrowserHasIsNotSentAgain) {
  Start();
  ASSERT_EQ(PutPhoto("hello")->status, 200);
  for (const char* path : {"/api/photo/thumbnail?id=a%2F1", "/api/photo/original?id=a%2F1"}) {
    const auto first = client_->Get(path);
    ASSERT_EQ(first->status, 200);
    EXPECT_THAT(first->get_header_value("Cache-Control"), HasSubstr("private"));
    const auto again = client_->Get(path, {{"If-None-Match", first->get_header_value("ETag")}});
    EXPECT_EQ(again->status, 304);
    EXPECT_THAT(again->body, IsEmpty());
  }
}

TEST_F(WebServerTest, ClientThatCallsTooOftenIsToldWhenToComeBackAndNoOther) {
  options_.router.calls_per_second_per_address = 1e-3;
  options_.router.limit_loopback = true;
  options_.trusted_proxies = {"127.0.0.1"};
  Start();
  const httplib::Headers one = {{"X-Forwarded-For", "192.0.2.1"}},
                         other = {{"X-Forwarded-For", "192.0.2.2"}};
  EXPECT_EQ(client_->Post("/api/search", one, kSearch, "application/json")->status, 200);
  const auto refused = client_->Post("/api/search", one, kSearch, "application/json");
  ASSERT_EQ(refused->status, 429);
  EXPECT_GT(std::stoi(refused->get_header_value("Retry-After")), 0);
  EXPECT_THAT(ErrorOf(refused)["message"].get<std::string>(), HasSubstr("the address 192.0.2.1"));
  EXPECT_EQ(client_->Post("/api/search", other, kSearch, "application/json")->status, 200);
  // The page itself costs the servers nothing.
  EXPECT_EQ(client_->Get("/", one)->status, 200);
  EXPECT_EQ(client_->Get("/healthz", one)->status, 200);
}

// The fake server collects no feedback: a request that reaches it is answered with 501.
TEST_F(WebServerTest, ClientThatSendsTooMuchFeedbackIsToldWhenToComeBackAndNoOther) {
  options_.feedback_per_second_per_address = 1e-3;
  options_.router.limit_loopback = true;
  options_.trusted_proxies = {"127.0.0.1"};
  Start();
  const auto send = [&](httplib::Headers headers, const char* address) {
    headers.emplace("X-Forwarded-For", address);
    return client_->Post("/api/feedback", headers, "{}", "application/json");
  };
  // Another site's page uses up nothing.
  EXPECT_EQ(send({{"Origin", "http://evil.example"}}, "192.0.2.1")->status, 403);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(send({}, "192.0.2.1")->status, 501) << i;
  const auto refused = send({}, "192.0.2.1");
  ASSERT_EQ(refused->status, 429);
  EXPECT_GT(std::stoi(refused->get_header_value("Retry-After")), 0);
  EXPECT_THAT(ErrorOf(refused)["message"].get<std::string>(),
              AllOf(HasSubstr("the address 192.0.2.1"), HasSubstr("/api/feedback")));
  EXPECT_THAT(ErrorOf(refused)["sentence"].get<std::string>(), HasSubstr("Try again in a moment"));
  EXPECT_EQ(send({}, "192.0.2.2")->status, 501);
  // Searches are not counted with it.
  EXPECT_EQ(
      client_->Post("/api/search", {{"X-Forwarded-For", "192.0.2.1"}}, kSearch, "application/json")
          ->status,
      200);
}

TEST_F(WebServerTest, CallsOfThisMachineAreNotCounted) {
  options_.router.calls_per_second_per_address = 1e-3;
  Start();
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(client_->Post("/api/search", kSearch, "application/json")->status, 200);
  }
}

TEST_F(WebServerTest, RequestsAreAnsweredAfterHealthSaysNo) {
  Start();
  for (const char* path : {"/healthz", "/readyz"}) EXPECT_EQ(client_->Get(path)->status, 200);
  web_->StopServing();
  for (const char* path : {"/healthz", "/readyz"}) EXPECT_EQ(client_->Get(path)->status, 503);
  EXPECT_EQ(client_->Get("/")->status, 200);
  EXPECT_EQ(client_->Post("/api/search", kSearch, "application/json")->status, 200);
}

TEST_F(WebServerTest, ErrorOfTheServerHasStatusSentenceAndRequestId) {
  Start();
  server_.FailNextCall(absl::InvalidArgumentError("examples[0].image: not a JPEG"));
  const auto answer =
      client_->Post("/api/search", {{"x-request-id", "drawing-7"}}, kSearch, "application/json");
  EXPECT_EQ(answer->status, 400);
  EXPECT_EQ(ErrorOf(answer)["requestId"], "drawing-7");
  EXPECT_EQ(answer->get_header_value("x-request-id"), "drawing-7");
  EXPECT_THAT(ErrorOf(answer)["sentence"].get<std::string>(), HasSubstr("cannot be used"));
}

TEST_F(WebServerTest, JsonOfNoSuchMessageIsRefusedByName) {
  Start();
  for (const char* body : {"{", "[]", R"({"exampels":[]})", R"({"topK":"many"})"}) {
    const auto answer = client_->Post("/api/search", body, "application/json");
    EXPECT_EQ(answer->status, 400) << body;
    EXPECT_THAT(ErrorOf(answer)["message"].get<std::string>(), HasSubstr("SearchRequest")) << body;
  }
}

TEST_F(WebServerTest, UnreachableServerIs503) {
  options_.server.server = "127.0.0.1:1";
  Start();
  const auto answer = client_->Post("/api/search", kSearch, "application/json");
  EXPECT_EQ(answer->status, 503);
  EXPECT_EQ(ErrorOf(answer)["code"], "UNAVAILABLE");
}

TEST_F(WebServerTest, AddressOfAServerThatDoesNotAnswerIsInTheLogAlone) {
  options_.server.server = "127.0.0.1:1";
  Start();
  std::ostringstream log;
  ASSERT_THAT(ConfigureLog(LogOptions(), &log), IsOk());
  for (const char* path : {"/api/gallery/stats", "/api/photo/original?id=a"}) {
    const auto answer = client_->Get(path, {{"x-request-id", "r7"}});
    EXPECT_EQ(ErrorOf(answer)["message"], "the search server does not answer") << path;
    EXPECT_THAT(answer->body, Not(HasSubstr("127.0.0.1"))) << path;
  }
  web_->Stop();
  ASSERT_THAT(ConfigureLog(LogOptions()), IsOk());
  EXPECT_THAT(log.str(), AllOf(HasSubstr("no server answers at 127.0.0.1:1"), HasSubstr("r7")));
}

TEST_F(WebServerTest, WhatTheServerItselfSaysReachesTheVisitor) {
  Start();
  server_.FailNextCall(absl::UnavailableError("no model serves yet"));
  const auto answer = client_->Post("/api/search", kSearch, "application/json");
  EXPECT_EQ(ErrorOf(answer)["message"], "no model serves yet");
}

TEST_F(WebServerTest, ServerThatIsCalledTooOftenDoesNotTellByWhom) {
  Start();
  server_.FailNextCallAsBusy("the key web may start 100 calls a second", /*after_ms=*/1500);
  const auto answer = client_->Post("/api/search", kSearch, "application/json");
  ASSERT_EQ(answer->status, 429);
  EXPECT_EQ(answer->get_header_value("Retry-After"), "2");
  EXPECT_EQ(ErrorOf(answer)["message"], "the server is busy");
}

TEST_F(WebServerTest, RefusedKeyIsNotTheBrowsersFault) {
  server_.RequireKey("secret");
  Start();
  std::ostringstream log;
  ASSERT_THAT(ConfigureLog(LogOptions(), &log), IsOk());
  const auto answer = client_->Get("/api/gallery/stats");
  EXPECT_EQ(answer->status, 500);
  EXPECT_EQ(ErrorOf(answer)["message"], "the server refuses this gateway's key");
  EXPECT_THAT(answer->body, Not(HasSubstr("127.0.0.1")));
  web_->Stop();
  ASSERT_THAT(ConfigureLog(LogOptions()), IsOk());
  EXPECT_THAT(log.str(), AllOf(HasSubstr(server_.address()), HasSubstr("--api-key")));
}

TEST_F(WebServerTest, FailureOfAVersionIsForOperators) {
  WritePassword("open sesame");
  Start();
  const auto for_anyone = client_->Get("/api/model");
  EXPECT_THAT(for_anyone->body, AllOf(HasSubstr("STATE_FAILED"), Not(HasSubstr("differs"))));
  ASSERT_EQ(Login("open sesame"), 204);
  EXPECT_THAT(client_->Get("/api/model", origin_)->body, HasSubstr("sha256 differs"));
}

TEST_F(WebServerTest, KeyStaysBehindTheGateway) {
  server_.RequireKey("secret");
  options_.server.api_key = "secret";
  Start();
  const auto answer = client_->Get("/api/gallery/stats");
  EXPECT_EQ(answer->status, 200);
  EXPECT_THAT(client_->Get("/")->body, testing::Not(HasSubstr("secret")));
}

TEST_F(WebServerTest, ChangeThatAnotherPageAsksForIsRefused) {
  Start();
  origin_ = {{"Origin", "http://evil.example"}};
  EXPECT_EQ(PutPhoto("hello")->status, 403);
  origin_ = {};
  EXPECT_EQ(PutPhoto("hello")->status, 403);
  EXPECT_THAT(server_.photo_ids(), IsEmpty());
}

TEST_F(WebServerTest, PageUnderAForeignNameIsRefused) {
  options_.router.host_names = {"shoes.example"};
  Start();
  EXPECT_EQ(client_->Get("/", {{"Host", "evil.example"}})->status, 403);
  EXPECT_EQ(client_->Get("/", {{"Host", "shoes.example"}})->status, 200);
}

TEST_F(WebServerTest, OperatorLogsInAndOut) {
  WritePassword("open sesame");
  Start();
  EXPECT_EQ(PutPhoto("hello")->status, 401);
  EXPECT_EQ(client_->Post("/api/login", R"({"password":"guess"})", "application/json")->status,
            401);
  const auto login =
      client_->Post("/api/login", R"({"password":"open sesame"})", "application/json");
  ASSERT_EQ(login->status, 204);
  const std::string cookie = login->get_header_value("Set-Cookie");
  EXPECT_THAT(cookie, HasSubstr("HttpOnly; SameSite=Strict"));
  origin_.emplace("Cookie", "theme=dark; " + cookie.substr(0, cookie.find(';')));
  EXPECT_EQ(PutPhoto("hello")->status, 200);
  EXPECT_EQ(client_->Post("/api/logout", origin_, "", "application/json")->status, 204);
  EXPECT_EQ(PutPhoto("hello")->status, 401);
}

TEST_F(WebServerTest, ChangedPasswordCountsWithoutARestart) {
  options_.reload_interval = std::chrono::seconds(0);
  WritePassword("open sesame");
  Start();
  client_->set_keep_alive(true);
  ASSERT_EQ(Login("open sesame"), 204);
  EXPECT_EQ(PutPhoto("hello")->status, 200);
  WritePassword("close sesame");
  EXPECT_EQ(PutPhoto("hello")->status, 401) << "the session is the former password's";
  EXPECT_EQ(Login("open sesame"), 401);
  EXPECT_EQ(Login("close sesame"), 204);
  EXPECT_EQ(PutPhoto("hello")->status, 200);
  EXPECT_EQ(Reloads("password", "ok"), "1");
}

TEST_F(WebServerTest, UnusablePasswordFileKeepsTheFormerAndIsCounted) {
  options_.reload_interval = std::chrono::seconds(0);
  WritePassword("open sesame");
  Start();
  WritePassword("short");
  EXPECT_EQ(Login("short"), 401);
  EXPECT_EQ(Login("open sesame"), 204);
  EXPECT_EQ(Reloads("password", "failed"), "1");
}

TEST_F(WebServerTest, ChangedKeyIsSentWithoutARestart) {
  options_.reload_interval = std::chrono::seconds(0);
  options_.server.api_key_file = Replace("key", "former-secret-key");
  server_.RequireKey("former-secret-key");
  Start();
  EXPECT_EQ(client_->Get("/api/gallery/stats")->status, 200);
  server_.RequireKey("new-secret-key");
  EXPECT_EQ(client_->Get("/api/gallery/stats")->status, 500);
  Replace("key", "new-secret-key");
  EXPECT_EQ(client_->Get("/api/gallery/stats")->status, 200);
  EXPECT_EQ(Reloads("api_key", "ok"), "1");
}

TEST_F(WebServerTest, KeyThatNoHeaderCanCarryKeepsTheFormerAndIsCounted) {
  options_.reload_interval = std::chrono::seconds(0);
  options_.server.api_key_file = Replace("key", "former-secret-key");
  server_.RequireKey("former-secret-key");
  Start();
  Replace("key", "a key with\tblanks");
  EXPECT_EQ(client_->Get("/api/gallery/stats")->status, 200);
  EXPECT_EQ(Reloads("api_key", "failed"), "1");
}

TEST_F(WebServerTest, ChangedAuthorityIsTrustedWithoutARestart) {
  const test::Certificate own = test::MakeCertificate();
  const test::FakeSearchServer server(own);
  options_.reload_interval = std::chrono::seconds(0);
  options_.server.server = absl::StrReplaceAll(server.address(), {{"127.0.0.1", "localhost"}});
  options_.server.tls_ca = Replace("ca.pem", test::MakeCertificate().cert);
  Start();
  EXPECT_EQ(client_->Get("/api/gallery/stats")->status, 503);
  Replace("ca.pem", own.cert);
  EXPECT_EQ(client_->Get("/api/gallery/stats")->status, 200);
  EXPECT_EQ(Reloads("tls", "ok"), "1");
}

TEST_F(WebServerTest, UnusableAuthorityKeepsTheFormerAndIsCounted) {
  const test::Certificate own = test::MakeCertificate();
  const test::FakeSearchServer server(own);
  options_.reload_interval = std::chrono::seconds(0);
  options_.server.server = absl::StrReplaceAll(server.address(), {{"127.0.0.1", "localhost"}});
  options_.server.tls_ca = Replace("ca.pem", own.cert);
  Start();
  Replace("ca.pem", "no certificate");
  EXPECT_EQ(client_->Get("/api/gallery/stats")->status, 200);
  EXPECT_EQ(Reloads("tls", "failed"), "1");
}

TEST_F(WebServerTest, NewCertificateWaitsForItsKey) {
  const test::Certificate own = test::MakeCertificate();
  const test::Certificate next = test::MakeCertificate();
  const test::FakeSearchServer server(own);
  options_.reload_interval = std::chrono::seconds(0);
  options_.server.server = absl::StrReplaceAll(server.address(), {{"127.0.0.1", "localhost"}});
  options_.server.tls_ca = Replace("ca.pem", own.cert);
  options_.server.tls_cert = Replace("cert.pem", own.cert);
  options_.server.tls_key = Replace("key.pem", own.key);
  Start();
  Replace("cert.pem", next.cert);
  EXPECT_EQ(client_->Get("/api/gallery/stats")->status, 200);
  EXPECT_EQ(Reloads("tls", "failed"), "1");
  Replace("key.pem", next.key);
  EXPECT_EQ(client_->Get("/api/gallery/stats")->status, 200);
  EXPECT_EQ(Reloads("tls", "ok"), "1");
}

TEST_F(WebServerTest, KeyAndItsFileTogetherAreRefused) {
  options_.listen = "127.0.0.1:0";
  options_.server.api_key = "secret";
  options_.server.api_key_file = Replace("key", "other");
  EXPECT_THAT(WebServer::Start(options_),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("are both set: give one")));
}

TEST_F(WebServerTest, SearchNeedsNoLogin) {
  WritePassword("open sesame");
  Start();
  EXPECT_EQ(client_->Post("/api/search", kSearch, "application/json")->status, 200);
  EXPECT_EQ(client_->Get("/api/training/jobs")->status, 404);
}

TEST_F(WebServerTest, BodyBeyondTheLimitIs413AndThePageReceivesTheError) {
  options_.router.max_body_bytes = 1 << 16;
  Start();
  const auto whole = PutPhoto(std::string(50 << 20, 'x'));
  ASSERT_TRUE(whole) << httplib::to_string(whole.error());
  EXPECT_EQ(whole->status, 413);
  const auto chunked = client_->Put(
      kPhoto, origin_,
      [](size_t offset, httplib::DataSink& sink) {
        const std::string part(1 << 14, 'x');
        if (offset > (1 << 20)) {
          sink.done();
          return true;
        }
        return sink.write(part.data(), part.size());
      },
      "image/png");
  ASSERT_TRUE(chunked) << httplib::to_string(chunked.error());
  EXPECT_EQ(chunked->status, 413);
  EXPECT_THAT(server_.photo_ids(), IsEmpty());
}

TEST_F(WebServerTest, UploadThatBreaksInTheMiddleAddsNothing) {
  Start();
  const auto half = [](size_t offset, size_t, httplib::DataSink& sink) {
    return offset == 0 && sink.write("hello", 5);
  };
  EXPECT_FALSE(client_->Put(kPhoto, origin_, /*content_length=*/10, half, "image/png"));
  const std::string noticed = R"(s2p_web_requests_total{code="499",route="/api/photo"} 1)";
  while (!absl::StrContains(client_->Get("/metrics")->body, noticed)) std::this_thread::yield();
  EXPECT_THAT(server_.photo_ids(), IsEmpty());
  EXPECT_EQ(PutPhoto("hello world")->status, 200);
}

// A browser that leaves before it is answered.
class WebServerLeftTest : public WebServerTest, public testing::WithParamInterface<const char*> {};

TEST_P(WebServerLeftTest, CallOfARequestWhoseClientHasGoneIsCancelled) {
  options_.router.default_timeout = options_.router.max_timeout = absl::Hours(1);
  Start();
  server_.HoldNextCall();
  {
    test::RawClient browser(port());
    browser.Send(absl::StrCat(GetParam(), "Host: ", web_->address(), "\r\nOrigin: http://",
                              web_->address(), "\r\nContent-Length: 5\r\n\r\nhello"));
    server_.AwaitHeldCall();
  }
  server_.AwaitCancelledCall();
  EXPECT_THAT(server_.photo_ids(), IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(
    Requests, WebServerLeftTest,
    testing::Values("GET /api/photos?request=%7B%7D HTTP/1.1\r\n",
                    "GET /api/photo?id=a HTTP/1.1\r\n",
                    "GET /api/photo/thumbnail?id=a HTTP/1.1\r\n",
                    "GET /api/photo/thumbnail?id=a HTTP/1.1\r\nIf-None-Match: \"x\"\r\n",
                    "GET /api/photo/original?id=a HTTP/1.1\r\n",
                    "PUT /api/photo?request=%7B%22photoId%22%3A%22a%22%7D HTTP/1.1\r\n"));

TEST_F(WebServerTest, BodyOfARefusedRequestIsNotTakenForARequest) {
  Start();
  const std::string hidden =
      absl::StrCat("PUT ", kPhoto, " HTTP/1.1\r\nOrigin: http://", web_->address(),
                   "\r\nHost: ", web_->address(), "\r\nContent-Length: 5\r\n\r\nhello");
  client_->set_keep_alive(true);
  const auto answer = client_->Post("/api/search", hidden, "multipart/form-data; boundary=x");
  EXPECT_EQ(answer->status, 400);
  EXPECT_EQ(client_->Get("/healthz")->status, 200);
  EXPECT_THAT(server_.photo_ids(), IsEmpty());
}

TEST_F(WebServerTest, PhotoWithLongMetadataIsAddedByABody) {
  Start();
  nlohmann::json request = {{"photoId", "shoe"}, {"image", "aGVsbG8="}};
  for (int i = 0; i < 6; ++i) {
    for (int j = 0; j < 200; ++j) {
      auto& value = request["metadata"][absl::StrCat("key", i)];
      value = (value.is_null() ? "" : value.get<std::string>()) + "\xE9\x9E\x8B";
    }
  }
  const auto added = client_->Post("/api/photo", origin_, request.dump(), "application/json");
  ASSERT_EQ(added->status, 200) << added->body;
  EXPECT_EQ(client_->Get("/api/photo/original?id=shoe")->body, "hello");
  const auto facts = nlohmann::json::parse(client_->Get("/api/photo?id=shoe")->body);
  EXPECT_EQ(facts["metadata"], request["metadata"]);
}

TEST_F(WebServerTest, PhotoInABodyIsGuardedLikeAPut) {
  Start();
  const char* body = R"({"photoId":"shoe","image":"aGVsbG8="})";
  EXPECT_EQ(client_->Post("/api/photo", body, "application/json")->status, 403);
  EXPECT_EQ(
      client_->Post("/api/photo", origin_, R"({"photoId":"shoe"})", "application/json")->status,
      400);
  EXPECT_THAT(server_.photo_ids(), IsEmpty());
}

TEST_F(WebServerTest, ThousandExcludedIdsFitIntoABody) {
  Start();
  ASSERT_EQ(PutPhoto("hello")->status, 200);
  nlohmann::json request = {{"pageSize", 10}};
  for (int i = 0; i < 1000; ++i) {
    request["filter"]["excludePhotoIds"].push_back(absl::StrCat("a photo that is not wanted ", i));
  }
  const auto list = client_->Post("/api/photos/list", request.dump(), "application/json");
  ASSERT_EQ(list->status, 200) << list->body;
  EXPECT_EQ(nlohmann::json::parse(list->body)["photos"][0]["photoId"], "a/1");
}

TEST_F(WebServerTest, ErrorForATooLongAddressNamesTheRemedy) {
  Start();
  const auto answer = client_->Get("/api/photos?request=" + std::string(9000, 'x'));
  EXPECT_EQ(answer->status, 414);
  EXPECT_THAT(ErrorOf(answer)["message"].get<std::string>(),
              AllOf(HasSubstr("8192 bytes"), HasSubstr("POST /api/photos/list")));
}

TEST_F(WebServerTest, OddIdsComeBackUnchanged) {
  Start();
  client_->set_url_encode(false);
  for (const std::string id :
       {"a/b",   "what?",      "#1",   "100%", "%2F",  "%zz", "a b",         "a+b",
        "a&b=c", "\"quoted\"", "it's", "..",   "../x", "\\",  "caf\xC3\xA9", "\xF0\x9F\x91\x9F",
        "{}",    "<b>",        "a;b",  "."}) {
    const std::string request =
        httplib::detail::encode_query_param(nlohmann::json({{"photoId", id}}).dump());
    ASSERT_EQ(client_->Put("/api/photo?request=" + request, origin_, "hello", "image/png")->status,
              200)
        << id;
    const std::string of_id = "?id=" + httplib::detail::encode_query_param(id);
    EXPECT_EQ(nlohmann::json::parse(client_->Get("/api/photo" + of_id)->body)["photoId"], id);
    EXPECT_EQ(client_->Get("/api/photo/thumbnail" + of_id)->status, 200) << id;
    EXPECT_EQ(client_->Get("/api/photo/original" + of_id)->body, "hello") << id;
    const auto deleted =
        client_->Post("/api/photos/delete", origin_, nlohmann::json({{"photoIds", {id}}}).dump(),
                      "application/json");
    EXPECT_EQ(nlohmann::json::parse(deleted->body)["deletedCount"], 1) << id;
  }
}

TEST_F(WebServerTest, DamagedEscapesAreTakenLiterallyAndPlusIsASpace) {
  Start();
  client_->set_url_encode(false);
  for (const auto& [id, query] : {std::pair("100%zz", "100%zz"), std::pair("a b", "a+b"),
                                  std::pair("a+b", "a%2Bb"), std::pair("50%", "50%")}) {
    const std::string request =
        httplib::detail::encode_query_param(nlohmann::json({{"photoId", id}}).dump());
    ASSERT_EQ(client_->Put("/api/photo?request=" + request, origin_, id, "image/png")->status, 200);
    EXPECT_EQ(client_->Get(absl::StrCat("/api/photo/original?id=", query))->body, id);
  }
}

TEST_F(WebServerTest, ParameterThatIsNotUtf8IsNamed) {
  Start();
  client_->set_url_encode(false);
  for (const char* path : {"/api/photo?id=caf%e9", "/api/photo/thumbnail?id=%ff",
                           "/api/photos?request=%c3%28", "/api/photo?id=%ed%a0%80"}) {
    const auto answer = client_->Get(path);
    EXPECT_EQ(answer->status, 400) << path;
    EXPECT_THAT(ErrorOf(answer)["message"].get<std::string>(), HasSubstr("is not UTF-8")) << path;
  }
}

TEST_F(WebServerTest, NulInAnIdDoesNotEndIt) {
  Start();
  client_->set_url_encode(false);
  ASSERT_EQ(PutPhoto("hello")->status, 200);
  EXPECT_EQ(client_->Get("/api/photo/original?id=a%2F1%00")->status, 404);
}

TEST_F(WebServerTest, ByteOrderMarkBeforeJsonIsDropped) {
  Start();
  const auto answer =
      client_->Post("/api/search", absl::StrCat("\xEF\xBB\xBF", kSearch), "application/json");
  EXPECT_EQ(answer->status, 200) << answer->body;
}

TEST_F(WebServerTest, OddJsonIsRefusedWithASentence) {
  Start();
  const std::string deep = absl::StrCat(R"({"filter":)", std::string(100000, '['));
  for (const std::string& body :
       {std::string("{\"filter\":{\"metadata\":{\"a\":\"caf\xE9\"}}}"),
        std::string(R"({"filter":{"metadata":{"a":"\ud800"}}})"), deep,
        std::string(R"({"topK":NaN})"), std::string("{\"topK\":3}\0", 11),
        std::string("\xFF\xFE{\0}\0", 6), std::string("null"), std::string(R"({"topK":1e400})"),
        std::string("{\"topK\":3}{\"topK\":4}")}) {
    const auto answer = client_->Post("/api/search", body, "application/json");
    ASSERT_EQ(answer->status, 400) << body.substr(0, 60);
    EXPECT_THAT(ErrorOf(answer)["message"].get<std::string>(), HasSubstr("SearchRequest"));
    EXPECT_THAT(ErrorOf(answer)["sentence"].get<std::string>(), HasSubstr("does not understand"));
  }
}

TEST_F(WebServerTest, MessageThatIsTooLargeForTheServerIs413WithTheNumber) {
  Start();
  const auto answer = PutPhoto(std::string(5 << 20, 'x'));
  EXPECT_EQ(answer->status, 413) << answer->body;
  EXPECT_THAT(ErrorOf(answer)["sentence"].get<std::string>(), HasSubstr("at most 4194304"));
}

TEST_F(WebServerTest, ImageThatIsTooLargeForTheServerIs413WithTheNumber) {
  Start();
  const absl::Status refusal = absl::InvalidArgumentError(
      "examples[0].image: the image has 20 bytes; at most 10 are allowed");
  server_.RefuseNextPhoto(refusal);
  const auto added = PutPhoto("hello");
  EXPECT_EQ(added->status, 413) << added->body;
  EXPECT_THAT(ErrorOf(added)["sentence"].get<std::string>(), HasSubstr("at most 10"));
  server_.FailNextCall(refusal);
  EXPECT_EQ(client_->Post("/api/search", kSearch, "application/json")->status, 413);
}

TEST_F(WebServerTest, MessageBeyondTheMemoryForAllIs413AndNamesTheFlag) {
  options_.router.message_memory_bytes = 1 << 20;
  Start();
  const std::string body =
      absl::StrCat(R"({"examples":[{"image":")", std::string(600'000, 'A'), R"("}]})");
  const auto answer = client_->Post("/api/search", body, "application/json");
  EXPECT_EQ(answer->status, 413) << answer->body;
  EXPECT_THAT(ErrorOf(answer)["message"].get<std::string>(),
              AllOf(HasSubstr("at most 1048576"), HasSubstr("--message-memory")));
  EXPECT_EQ(client_->Post("/api/search", kSearch, "application/json")->status, 200);
}

TEST_F(WebServerTest, LoginThatIsTooLongIsNotParsed) {
  Start();
  const auto answer = client_->Post("/api/login", std::string(1 << 20, '['), "application/json");
  EXPECT_EQ(answer->status, 413);
}

TEST_F(WebServerTest, RangeIsAnsweredWithTheWholeBody) {
  Start();
  ASSERT_EQ(PutPhoto("hello")->status, 200);
  for (const char* path : {"/api/photo/thumbnail?id=a%2F1", "/api/photo/original?id=a%2F1",
                           "/assets/main.js", "/api/photo?id=none"}) {
    const auto whole = client_->Get(path);
    for (const char* range : {"bytes=0-1", "bytes=-2", "bytes=0-0,2-3", "bytes=999999-"}) {
      const auto part = client_->Get(path, {{"Range", range}, {"x-request-id", "r"}});
      ASSERT_EQ(part->status, whole->status) << path << range;
      EXPECT_FALSE(part->has_header("Content-Range"));
      EXPECT_EQ(part->body.size(), client_->Get(path, {{"x-request-id", "r"}})->body.size());
    }
  }
}

TEST_F(WebServerTest, HeadIsAGetWithoutItsBody) {
  Start();
  ASSERT_EQ(PutPhoto("hello")->status, 200);
  for (const char* path : {"/api/photo?id=a%2F1", "/api/photo/thumbnail?id=a%2F1",
                           "/api/photo/original?id=a%2F1", "/api/model", "/operator"}) {
    const auto head = client_->Head(path);
    const auto get = client_->Get(path);
    EXPECT_EQ(head->status, 200) << path;
    EXPECT_THAT(head->body, IsEmpty()) << path;
    EXPECT_EQ(head->get_header_value("Content-Type"), get->get_header_value("Content-Type"));
    EXPECT_EQ(head->get_header_value("ETag"), get->get_header_value("ETag")) << path;
    EXPECT_EQ(head->get_header_value("Content-Length"), get->get_header_value("Content-Length"))
        << path;
  }
  EXPECT_EQ(client_->Head("/api/photo?id=none")->status, 404);
}

TEST_F(WebServerTest, TagIsKnownInAListAndWhenAProxyMadeItWeak) {
  Start();
  const std::string tag = client_->Get("/assets/main.js")->get_header_value("ETag");
  for (const std::string& known :
       {absl::StrCat("\"other\", ", tag), "W/" + tag, std::string("*")}) {
    EXPECT_EQ(client_->Get("/assets/main.js", {{"If-None-Match", known}})->status, 304) << known;
  }
  for (const char* other : {"\"other\"", "", "W/"}) {
    EXPECT_EQ(client_->Get("/assets/main.js", {{"If-None-Match", other}})->status, 200) << other;
  }
}

TEST_F(WebServerTest, TrailingSlashRedirectsToTheRoute) {
  Start();
  client_->set_url_encode(false);
  const auto page = client_->Get("/operator/");
  EXPECT_EQ(page->status, 308);
  EXPECT_EQ(page->get_header_value("Location"), "/operator");
  EXPECT_EQ(client_->Get("/api/photo/?id=a")->get_header_value("Location"), "/api/photo?id=a");
  EXPECT_EQ(client_->Get("//evil.example/")->status, 404);
}

TEST_F(WebServerTest, PersonIsAnsweredWithAPageAndAProgramWithJson) {
  options_.router.host_names = {"shoes.example"};
  Start();
  const httplib::Headers person = {{"Accept", "text/html,*/*"}, {"Host", "<b>.example"}};
  const auto page = client_->Get("/", person);
  EXPECT_EQ(page->status, 403);
  EXPECT_THAT(page->get_header_value("Content-Type"), StartsWith("text/html"));
  EXPECT_THAT(page->body, AllOf(HasSubstr("--host-name &lt;b>"), testing::Not(HasSubstr("<b>"))));
  EXPECT_THAT(client_->Get("/nothing", {{"Accept", "text/html"}})->body, HasSubstr("no such page"));
  EXPECT_EQ(ErrorOf(client_->Get("/nothing"))["code"], "NOT_FOUND");
}

TEST_F(WebServerTest, PageIsWholeAndGuarded) {
  Start();
  for (const char* path : {"/", "/operator"}) {
    const auto page = client_->Get(path);
    ASSERT_EQ(page->status, 200);
    EXPECT_THAT(page->body, StartsWith("<!doctype html>"));
    EXPECT_THAT(page->get_header_value("Content-Security-Policy"), HasSubstr("default-src 'none'"));
    EXPECT_EQ(page->get_header_value("X-Content-Type-Options"), "nosniff");
  }
  EXPECT_EQ(client_->Head("/")->status, 200);
  EXPECT_EQ(client_->Get("/assets/main.js")->get_header_value("Content-Type"),
            "text/javascript; charset=utf-8");
  EXPECT_EQ(client_->Get("/assets/../main.cc")->status, 404);
}

TEST(PageFilesTest, TogetherTheyStayBelow152KB) {
  size_t bytes = 0;
  for (const PageFile& file : PageFiles()) bytes += file.bytes.size();
  EXPECT_GT(bytes, 100000u);
  EXPECT_LT(bytes, 152000u);
}

TEST_F(WebServerTest, EveryPageFileIsServed) {
  Start();
  EXPECT_EQ(client_->Get("/")->status, 200);
  for (const PageFile& file : PageFiles()) {
    if (file.name == "index.html") continue;
    const auto answer = client_->Get(absl::StrCat("/assets/", file.name));
    EXPECT_EQ(answer->status, 200) << file.name;
    EXPECT_EQ(answer->body, file.bytes) << file.name;
  }
}

TEST_F(WebServerTest, RequestsAreCountedByRoute) {
  Start();
  client_->Get("/healthz");
  client_->Get("/nothing/of/ours");
  const std::string text = client_->Get("/metrics")->body;
  EXPECT_THAT(text, HasSubstr(R"(s2p_web_requests_total{code="200",route="/healthz"} 1)"));
  EXPECT_THAT(text, HasSubstr(R"(s2p_web_requests_total{code="404",route="other"} 1)"));
}

TEST_F(WebServerTest, RequestWhoseAnswerFindsNoRoomIsCountedOnce) {
  Start();
  ASSERT_EQ(PutPhoto(std::string(200'000, 'x'))->status, 200);
  options_.body_budget_bytes = 100'000;
  Start();
  EXPECT_EQ(client_->Get("/api/photo/thumbnail?id=a%2F1")->status, 503);
  const std::string text = client_->Get("/metrics")->body;
  const std::string route = R"(route="/api/photo/thumbnail"})";
  EXPECT_THAT(text, HasSubstr(absl::StrCat(R"(s2p_web_requests_total{code="503",)", route, " 1")));
  EXPECT_THAT(text, HasSubstr(absl::StrCat("s2p_web_request_seconds_count{", route, " 1")));
  EXPECT_THAT(text, testing::Not(HasSubstr(absl::StrCat(R"(code="200",)", route))));
}

TEST_F(WebServerTest, TakenPortIsNamed) {
  Start();
  WebServerOptions second = options_;
  second.listen = web_->address();
  const auto web = WebServer::Start(second);
  EXPECT_THAT(web, StatusIs(absl::StatusCode::kUnavailable, HasSubstr(web_->address())));
}

TEST_F(WebServerTest, BodyIsNotReadBeforeHostAndLoginAreChecked) {
  WritePassword("open sesame");
  Start();
  for (const std::string& head :
       {absl::StrCat("PUT ", kPhoto, " HTTP/1.1\r\nHost: evil.example\r\n"),
        absl::StrCat("PUT ", kPhoto, " HTTP/1.1\r\nHost: ", web_->address(), "\r\nOrigin: http://",
                     web_->address(), "\r\n")}) {
    test::RawClient client(port());
    client.Send(absl::StrCat(head, "Content-Length: 1000000\r\n\r\n"));
    EXPECT_THAT(client.ReadAll(), AnyOf(StartsWith("HTTP/1.1 403"), StartsWith("HTTP/1.1 401")));
  }
}

TEST_F(WebServerTest, UnreadableRequestGetsTheErrorOfTheApi) {
  Start();
  test::RawClient client(port());
  client.Send("GET / HTTP/1.1\nHost: x\n\n");
  EXPECT_THAT(client.ReadAll(), AllOf(StartsWith("HTTP/1.1 400"), HasSubstr("INVALID_ARGUMENT"),
                                      HasSubstr("nosniff")));
}

TEST_F(WebServerTest, JsonBombIsRefusedByTheNameOfItsField) {
  Start();
  std::string body = R"({"examples":[{"strokes":{"strokes":[{})";
  for (int i = 0; i < 200'000; ++i) body += ",{}";
  const auto answer = client_->Post("/api/search", body + "]}}]}", "application/json");
  EXPECT_EQ(answer->status, 400);
  EXPECT_THAT(ErrorOf(answer)["message"].get<std::string>(),
              HasSubstr("examples[0].strokes.strokes: more than"));
}

TEST_F(WebServerTest, WrongPasswordsOfOneClientOfAProxyLockNoOtherOut) {
  WritePassword("open sesame");
  options_.trusted_proxies = {"127.0.0.1"};
  Start();
  const auto login = [&](const char* client, const char* password) {
    return client_
        ->Post("/api/login", {{"X-Forwarded-For", client}},
               absl::StrCat("{\"password\":\"", password, "\"}"), "application/json")
        ->status;
  };
  for (int i = 0; i < 10; ++i) EXPECT_EQ(login("198.51.100.1", "guess"), 401);
  EXPECT_EQ(login("198.51.100.1", "open sesame"), 429);
  EXPECT_EQ(login("192.0.2.7", "open sesame"), 204);
}

TEST_F(WebServerTest, ClaimedAddressDoesNotEscapeTheCount) {
  WritePassword("open sesame");
  Start();
  for (int i = 0; i < 11; ++i) {
    const auto answer =
        client_->Post("/api/login", {{"X-Forwarded-For", absl::StrCat("198.51.100.", i)}},
                      R"({"password":"guess"})", "application/json");
    EXPECT_EQ(answer->status, i < 10 ? 401 : 429);
  }
}

TEST_F(WebServerTest, ProxyThatNobodyNamedIsLoggedOnce) {
  options_.trusted_proxies = {"127.0.0.2"};
  Start();
  std::ostringstream log;
  ASSERT_THAT(ConfigureLog(LogOptions(), &log), IsOk());
  const httplib::Headers forwarded = {{"X-Forwarded-For", "192.0.2.1"}};
  EXPECT_EQ(client_->Get("/", forwarded)->status, 200);
  EXPECT_EQ(client_->Get("/", forwarded)->status, 200);
  web_->Stop();
  ASSERT_THAT(ConfigureLog(LogOptions()), IsOk());
  const std::vector<std::string> parts = absl::StrSplit(log.str(), "--trusted-proxy");
  ASSERT_EQ(parts.size(), 2u) << log.str();
  EXPECT_THAT(parts[1], HasSubstr("127.0.0.1"));
}

TEST_F(WebServerTest, NeitherATrustedProxyNorADirectClientIsLogged) {
  options_.trusted_proxies = {"127.0.0.1"};
  Start();
  std::ostringstream log;
  ASSERT_THAT(ConfigureLog(LogOptions(), &log), IsOk());
  EXPECT_EQ(client_->Get("/", {{"X-Forwarded-For", "192.0.2.1"}})->status, 200);
  EXPECT_EQ(client_->Get("/")->status, 200);
  web_->Stop();
  options_.trusted_proxies.clear();
  Start();
  ASSERT_THAT(ConfigureLog(LogOptions(), &log), IsOk());
  EXPECT_EQ(client_->Get("/")->status, 200);
  web_->Stop();
  ASSERT_THAT(ConfigureLog(LogOptions()), IsOk());
  EXPECT_THAT(log.str(), Not(HasSubstr("--trusted-proxy")));
}

TEST_F(WebServerTest, OperatorWhoLoggedInAtTheProxyIsOne) {
  options_.login_header = "X-Forwarded-User";
  options_.trusted_proxies = {"127.0.0.1"};
  Start();
  EXPECT_EQ(PutPhoto("hello")->status, 401);
  origin_.emplace("X-Forwarded-User", "ada@shoes.example");
  EXPECT_EQ(PutPhoto("hello")->status, 200);
  const auto session = nlohmann::json::parse(client_->Get("/api/session", origin_)->body);
  EXPECT_EQ(session["operator"], true);
  EXPECT_EQ(nlohmann::json::parse(client_->Get("/api/session")->body)["operator"], false);
}

TEST_F(WebServerTest, ServersLearnWhoLoggedInAtTheProxy) {
  options_.login_header = "X-Forwarded-User";
  options_.trusted_proxies = {"127.0.0.1"};
  Start();
  origin_.emplace("X-Forwarded-User", "ada@shoes.example");
  // A client cannot name somebody itself.
  origin_.emplace("x-s2p-user-bin", "ZXZl");
  EXPECT_EQ(PutPhoto("hello")->status, 200);
  EXPECT_EQ(server_.last_user(), "ada@shoes.example");
  EXPECT_EQ(client_->Post("/api/search", kSearch, "application/json")->status, 200);
  EXPECT_EQ(server_.last_user(), "");
}

TEST_F(WebServerTest, ChangeIsLoggedWithThePersonAndTheAddress) {
  options_.login_header = "X-Forwarded-User";
  options_.trusted_proxies = {"127.0.0.1"};
  Start();
  std::ostringstream log;
  ASSERT_THAT(ConfigureLog(LogOptions(), &log), IsOk());
  origin_.emplace("X-Forwarded-User", "ada@shoes.example");
  origin_.emplace("X-Forwarded-For", "192.0.2.1");
  origin_.emplace("x-request-id", "r7");
  EXPECT_EQ(PutPhoto("hello")->status, 200);
  web_->Stop();
  ASSERT_THAT(ConfigureLog(LogOptions()), IsOk());
  EXPECT_THAT(log.str(), AllOf(HasSubstr("change"), HasSubstr("ada@shoes.example"),
                               HasSubstr("192.0.2.1"), HasSubstr("/api/photo"), HasSubstr("r7")));
}

TEST_F(WebServerTest, LoginHeaderFromAnotherAddressIsNotBelieved) {
  options_.login_header = "X-Forwarded-User";
  options_.trusted_proxies = {"127.0.0.2"};
  Start();
  origin_.emplace("X-Forwarded-User", "eve");
  origin_.emplace("X-Forwarded-For", "127.0.0.2");
  EXPECT_EQ(PutPhoto("hello")->status, 401);
  EXPECT_THAT(server_.photo_ids(), IsEmpty());
}

TEST_F(WebServerTest, LoginHeaderNeedsATrustedProxy) {
  options_.listen = "127.0.0.1:0";
  options_.login_header = "X-Forwarded-User";
  EXPECT_THAT(WebServer::Start(options_),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("--trusted-proxy")));
}

TEST_F(WebServerTest, BeyondLoopbackNeedsALoginOrAFlagThatSaysSo) {
  options_.listen = "0.0.0.0:0";
  options_.insecure = true;
  EXPECT_THAT(WebServer::Start(options_),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("--no-login")));
  options_.no_login = true;
  EXPECT_THAT(WebServer::Start(options_), IsOk());
  options_.no_login = false;
  WritePassword("open sesame");
  EXPECT_THAT(WebServer::Start(options_), IsOk());
}

TEST_F(WebServerTest, BeyondLoopbackNeedsInsecure) {
  options_.listen = "0.0.0.0:0";
  const auto web = WebServer::Start(options_);
  EXPECT_THAT(web, StatusIs(absl::StatusCode::kInvalidArgument,
                            HasSubstr("give --http-tls-cert and --http-tls-key, or --insecure")));
}

TEST_F(WebServerTest, KeyBeyondThisMachineNeedsInsecureKey) {
  options_.listen = "127.0.0.1:0";
  options_.server.server = "203.0.113.7:1";
  options_.server.api_key = "secret";
  EXPECT_THAT(WebServer::Start(options_),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("give --tls-ca, or --insecure-key if the network")));
}

class WebTrainerTest : public WebServerTest {
 protected:
  void SetUp() override {
    options_.trainer = ClientOptions();
    options_.trainer->server = trainer_.address();
  }
  test::FakeTrainingServer trainer_;
};

TEST_F(WebTrainerTest, SubmittedJobIsListed) {
  Start();
  const auto made = client_->Post("/api/training/jobs", origin_,
                                  R"({"spec":{"preset":"demo","seed":"7"}})", "application/json");
  ASSERT_EQ(made->status, 200) << made->body;
  const auto list = nlohmann::json::parse(client_->Get("/api/training/jobs")->body);
  EXPECT_EQ(list["jobs"][0]["spec"]["seed"], "7");
}

TEST_F(WebTrainerTest, EventsOfAJobAreStreamedFromTheRequestedOne) {
  v1::Job job;
  job.set_job_id("job-1");
  trainer_.AddJob(job);
  for (const char* words : {"one", "two", "three"}) {
    v1::WatchJobResponse event;
    event.set_message(words);
    trainer_.AddEvent("job-1", event);
  }
  Start();
  const std::string path = "/api/training/job/watch?request=%7B%22jobId%22%3A%22job-1%22%7D";
  const auto stream = client_->Get(path, {{"Last-Event-ID", "1"}});
  ASSERT_EQ(stream->status, 200) << stream->body;
  EXPECT_THAT(stream->get_header_value("Content-Type"), StartsWith("text/event-stream"));
  EXPECT_THAT(stream->body, StartsWith("id: 2\ndata: {"));
  EXPECT_THAT(stream->body, HasSubstr("\n\nid: 3\n"));
  EXPECT_THAT(stream->body, testing::EndsWith("event: end\ndata: {}\n\n"));
}

TEST_F(WebTrainerTest, WatchesUseNoThread) {
  v1::Job job;
  job.set_job_id("job-1");
  trainer_.AddJob(job);
  v1::WatchJobResponse event;
  event.set_message("one");
  trainer_.AddEvent("job-1", event);
  options_.threads = 2;
  trainer_.KeepWatchesOpen();
  Start();
  std::vector<test::RawClient> watches;
  for (int i = 0; i < 8; ++i) {
    watches.emplace_back(port());
    watches.back().Send(
        absl::StrCat("GET /api/training/job/watch?request=%7B%22jobId%22%3A%22job-1%22%7D "
                     "HTTP/1.1\r\nHost: ",
                     web_->address(), "\r\n\r\n"));
    EXPECT_THAT(watches.back().ReadUntil("\n\n\r\n"), HasSubstr("id: 1\n"));
  }
  EXPECT_EQ(client_->Get("/api/training/jobs")->status, 200);
}

TEST_F(WebTrainerTest, OperatorIsToldTheAddressOfATrainerThatDoesNotAnswer) {
  options_.trainer->server = "127.0.0.1:1";
  Start();
  EXPECT_THAT(ErrorOf(client_->Get("/api/training/jobs"))["message"].get<std::string>(),
              HasSubstr("no server answers at 127.0.0.1:1"));
}

TEST_F(WebTrainerTest, WatchOfAnUnknownJobIs404) {
  Start();
  EXPECT_EQ(client_->Get("/api/training/job/watch?request=%7B%22jobId%22%3A%22x%22%7D")->status,
            404);
}

TEST_F(WebTrainerTest, WatchBeyondTheLimitIs503) {
  options_.max_streams = 0;
  Start();
  EXPECT_EQ(client_->Get("/api/training/job/watch?request=%7B%22jobId%22%3A%22x%22%7D")->status,
            503);
}

// Does not answer a search until it is cancelled.
class StuckSearch : public v1::SearchService::CallbackService {
 public:
  StuckSearch() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
  }
  ~StuckSearch() override { server_->Shutdown(); }
  std::string address() const { return absl::StrCat("127.0.0.1:", port_); }

  grpc::ServerUnaryReactor* Search(grpc::CallbackServerContext*, const v1::SearchRequest*,
                                   v1::SearchResponse*) override {
    struct Reactor : grpc::ServerUnaryReactor {
      explicit Reactor(StuckSearch& stuck) : stuck_search(stuck) {}
      void OnCancel() override {
        stuck_search.cancelled.Notify();
        Finish(grpc::Status::CANCELLED);
      }
      void OnDone() override { delete this; }
      StuckSearch& stuck_search;
    };
    auto* const reactor = new Reactor(*this);
    arrived.Notify();
    return reactor;
  }

  absl::Notification arrived, cancelled;

 private:
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

class WebCancelTest : public WebServerTest {
 protected:
  void SetUp() override {
    options_.server.server = stuck_.address();
    Start();
  }
  StuckSearch stuck_;
};

TEST_F(WebCancelTest, AbortedRequestCancelsItsRpc) {
  std::thread search([&] { client_->Post("/api/search", kSearch, "application/json"); });
  stuck_.arrived.WaitForNotification();
  client_->stop();
  stuck_.cancelled.WaitForNotification();
  search.join();
}

TEST_F(WebCancelTest, StopEndsCallsInFlight) {
  int status = 0;
  std::thread search([&] {
    const auto answer = client_->Post("/api/search", kSearch, "application/json");
    if (answer) status = answer->status;
  });
  stuck_.arrived.WaitForNotification();
  web_->Stop();
  search.join();
  EXPECT_EQ(status, 503);
}

TEST_F(WebCancelTest, DeadlineOfTheBrowserIsTheRpcs) {
  const auto answer =
      client_->Post("/api/search", {{"x-timeout-ms", "50"}}, kSearch, "application/json");
  EXPECT_EQ(answer->status, 504);
  EXPECT_EQ(ErrorOf(answer)["code"], "DEADLINE_EXCEEDED");
}

}  // namespace
}  // namespace s2p
