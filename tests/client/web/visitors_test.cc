// One visitor of the gateway next to others.
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <httplib.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "client/web/web_server.h"
#include "daemon/listen_address.h"
#include "s2p/v1/gallery.grpc.pb.h"
#include "s2p/v1/search.grpc.pb.h"
#include "tests/daemon/http/raw_client.h"
#include "tests/testing/status_matchers.h"

namespace s2p {
namespace {

using test::IsOk;
using test::RawClient;
using testing::HasSubstr;
using testing::StartsWith;

constexpr char kOriginal[] = "/api/photo/original?id=a";
constexpr char kThumbnail[] = "/api/photo/thumbnail?id=a";
constexpr char kOne[] = "192.0.2.1";
constexpr char kOther[] = "192.0.2.2";

// Sends the first piece of an original, and nothing more until the call is cancelled. Thumbnails
// are whole.
class EndlessOriginals : public v1::GalleryService::CallbackService {
 public:
  grpc::ServerWriteReactor<v1::GetPhotoResponse>* GetPhoto(
      grpc::CallbackServerContext*, const v1::GetPhotoRequest* request) override {
    class Reactor : public grpc::ServerWriteReactor<v1::GetPhotoResponse> {
     public:
      explicit Reactor(bool is_endless) : is_endless_(is_endless) {
        response_.mutable_photo()->set_photo_id("a");
        response_.set_content_type("image/jpeg");
        response_.set_chunk("first piece");
        if (is_endless_) {
          StartWrite(&response_);
        } else {
          StartWriteAndFinish(&response_, grpc::WriteOptions(), grpc::Status::OK);
        }
      }
      void OnCancel() override {
        if (is_endless_) Finish(grpc::Status::CANCELLED);
      }
      void OnDone() override { delete this; }

     private:
      const bool is_endless_;
      v1::GetPhotoResponse response_;
    };
    return new Reactor(request->rendition() == v1::RENDITION_ORIGINAL);
  }
};

// Answers no search until it is cancelled. Thread-safe.
class LastingSearches : public v1::SearchService::CallbackService {
 public:
  grpc::ServerUnaryReactor* Search(grpc::CallbackServerContext*, const v1::SearchRequest*,
                                   v1::SearchResponse*) override {
    struct Reactor : grpc::ServerUnaryReactor {
      void OnCancel() override { Finish(grpc::Status::CANCELLED); }
      void OnDone() override { delete this; }
    };
    auto* const reactor = new Reactor;
    absl::MutexLock lock(&mutex_);
    has_come_ = true;
    return reactor;
  }
  void AwaitFirst() {
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(&has_come_));
  }

 private:
  absl::Mutex mutex_;
  bool has_come_ ABSL_GUARDED_BY(mutex_) = false;
};

// The gateway believes this machine, as a proxy, who its visitors are.
class VisitorsTest : public testing::Test {
 protected:
  VisitorsTest() {
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(&originals_);
    builder.RegisterService(&searches_);
    server_ = builder.BuildAndStart();
    options_.listen = "127.0.0.1:0";
    options_.server.server = absl::StrCat("127.0.0.1:", port);
    options_.trusted_proxies = {"127.0.0.1"};
    options_.router.calls_per_second_per_address = 0;
    options_.router.default_timeout = options_.router.max_timeout = absl::Hours(1);
  }
  ~VisitorsTest() override {
    web_.reset();
    server_->Shutdown();
  }

  void Start() {
    auto web = WebServer::Start(options_);
    ASSERT_THAT(web, IsOk());
    web_ = *std::move(web);
    client_ = std::make_unique<httplib::Client>("http://" + web_->address());
  }
  // A connection over which a visitor has sent a request.
  RawClient Send(const char* visitor, const char* method, const char* path) {
    RawClient client(ParseListenAddress(web_->address())->port);
    client.Send(absl::StrCat(method, " ", path, " HTTP/1.1\r\nHost: ", web_->address(),
                             "\r\nX-Forwarded-For: ", visitor, "\r\nContent-Length: 0\r\n\r\n"));
    return client;
  }
  // The head of the answer to a request for the original.
  std::string HeadOfOriginal(const char* visitor) {
    return Send(visitor, "HEAD", kOriginal).ReadUntil("\r\n\r\n");
  }
  httplib::Result Get(const char* visitor, const char* path) {
    return client_->Get(path, {{"X-Forwarded-For", visitor}});
  }

  EndlessOriginals originals_;
  LastingSearches searches_;
  std::unique_ptr<grpc::Server> server_;
  WebServerOptions options_;
  std::unique_ptr<WebServer> web_;
  std::unique_ptr<httplib::Client> client_;
};

TEST_F(VisitorsTest, OriginalsThatAVisitorDoesNotReadLeaveOthersTheirPlaces) {
  options_.max_originals = 2;
  Start();
  std::vector<RawClient> unread;
  for (int i = 0; i < 2; ++i) {
    unread.push_back(Send(kOne, "GET", kOriginal));
    EXPECT_THAT(unread.back().ReadUntil("first piece\r\n"), StartsWith("HTTP/1.1 200"));
  }
  EXPECT_THAT(HeadOfOriginal(kOne),
              AllOf(StartsWith("HTTP/1.1 429"), HasSubstr("Retry-After: 1\r\n")));
  EXPECT_THAT(HeadOfOriginal(kOther), StartsWith("HTTP/1.1 200"));
  const auto thumbnail = Get(kOne, kThumbnail);
  ASSERT_TRUE(thumbnail);
  EXPECT_EQ(thumbnail->status, 200);
}

TEST_F(VisitorsTest, PlaceOfAnOriginalIsGivenBackWhenItsVisitorLeaves) {
  options_.max_originals = 1;
  Start();
  {
    RawClient unread = Send(kOne, "GET", kOriginal);
    EXPECT_THAT(unread.ReadUntil("first piece\r\n"), StartsWith("HTTP/1.1 200"));
    EXPECT_THAT(HeadOfOriginal(kOne), StartsWith("HTTP/1.1 429"));
  }
  std::string head;
  do {
    head = HeadOfOriginal(kOne);
  } while (absl::StartsWith(head, "HTTP/1.1 429"));
  EXPECT_THAT(head, StartsWith("HTTP/1.1 200"));
}

TEST_F(VisitorsTest, MoreOriginalsThanAServerCanSpareAreRefusedByName) {
  for (const int originals : {0, 101}) {
    options_.max_originals = originals;
    EXPECT_THAT(
        WebServer::Start(options_),
        test::StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr(absl::StrCat("max-originals: ", originals, " is not between"))));
  }
}

TEST_F(VisitorsTest, SearchesThatLastLeaveAThreadToAnotherVisitor) {
  options_.threads = 2;
  Start();
  const RawClient first = Send(kOne, "POST", "/api/search");
  const RawClient second = Send(kOne, "POST", "/api/search");
  searches_.AwaitFirst();
  const auto page = Get(kOther, "/");
  ASSERT_TRUE(page);
  EXPECT_EQ(page->status, 200);
}

}  // namespace
}  // namespace s2p
