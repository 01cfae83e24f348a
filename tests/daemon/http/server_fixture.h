// A server with a handler that does what the path says.
#ifndef S2P_TESTS_DAEMON_HTTP_SERVER_FIXTURE_H_
#define S2P_TESTS_DAEMON_HTTP_SERVER_FIXTURE_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "daemon/http/http_server.h"
#include "tests/daemon/http/raw_client.h"
#include "tests/testing/status_matchers.h"

namespace s2p {
namespace test {

inline std::string Get(absl::string_view path,
                       absl::string_view headers = "Connection: close\r\n") {
  return absl::StrCat("GET ", path, " HTTP/1.1\r\nHost: x\r\n", headers, "\r\n");
}

// Gives the pieces that the test adds. Thread-safe.
class FakeSource : public HttpBodySource {
 public:
  void Read(std::function<void(Piece)> done) override {
    absl::ReleasableMutexLock lock(&mutex_);
    ++reads_;
    if (pieces_.empty()) {
      waiting_ = std::move(done);
      return;
    }
    const Piece piece = std::move(pieces_.front());
    pieces_.erase(pieces_.begin());
    lock.Release();
    done(piece);
  }
  void Cancel() override {
    absl::MutexLock lock(&mutex_);
    if (!cancelled_.HasBeenNotified()) cancelled_.Notify();
  }

  void Add(Piece piece) {
    std::function<void(Piece)> waiting;
    {
      absl::MutexLock lock(&mutex_);
      waiting = std::exchange(waiting_, nullptr);
      if (waiting == nullptr) pieces_.push_back(std::move(piece));
    }
    if (waiting != nullptr) waiting(std::move(piece));
  }
  int reads() const {
    absl::MutexLock lock(&mutex_);
    return reads_;
  }
  void AwaitCancel() { cancelled_.WaitForNotification(); }

 private:
  mutable absl::Mutex mutex_;
  std::vector<Piece> pieces_ ABSL_GUARDED_BY(mutex_);
  std::function<void(Piece)> waiting_ ABSL_GUARDED_BY(mutex_);
  int reads_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Notification cancelled_;
};

// Answers "METHOD PATH BODY". /healthz is answered at once, /forbidden is refused by its head,
// /wait waits for Release, /stream sends `source`, /throw throws, /bytes?n=N has N bytes. The
// header "caller" names the caller. Thread-safe.
class FakeHandler : public HttpHandler {
 public:
  HttpAdmission Admit(const HttpRequest& request) override {
    HttpAdmission admission;
    admission.max_body_bytes = max_body_bytes;
    admission.caller = std::string(request.Header("caller"));
    if (request.path == "/healthz") admission.answer = Text(200, "ok");
    if (request.path == "/forbidden") admission.answer = Text(403, "forbidden");
    return admission;
  }

  HttpResponse Answer(HttpRequest& request) override {
    if (request.path == "/throw") throw std::string("on purpose");
    if (request.path == "/wait") {
      absl::MutexLock lock(&mutex_);
      ++waiting_;
      mutex_.Await(absl::Condition(&released_));
    }
    HttpResponse response =
        Text(200, absl::StrCat(request.method, " ", request.path, " ", request.body));
    size_t bytes = 0;
    if (absl::SimpleAtoi(request.Parameter("n"), &bytes)) response.body = std::string(bytes, 'b');
    if (request.path == "/stream") response.source = source;
    return response;
  }

  HttpResponse Refuse(const HttpRequest& request, int status, absl::string_view message) override {
    EXPECT_EQ(request.body.size(), 0u) << "its memory should go before its share";
    return Text(status, std::string(message));
  }

  void Record(const HttpRequest&, int status) override {
    absl::MutexLock lock(&mutex_);
    recorded_.push_back(status);
  }

  // Waits until this many requests for /wait have come.
  void AwaitWaiting(int count) {
    absl::MutexLock lock(&mutex_);
    const auto reached = [&] {
      mutex_.AssertReaderHeld();
      return waiting_ >= count;
    };
    mutex_.Await(absl::Condition(&reached));
  }
  void Release() {
    absl::MutexLock lock(&mutex_);
    released_ = true;
  }
  void AwaitRecord(int status) {
    absl::MutexLock lock(&mutex_);
    const auto recorded = [&] {
      mutex_.AssertReaderHeld();
      return std::find(recorded_.begin(), recorded_.end(), status) != recorded_.end();
    };
    mutex_.Await(absl::Condition(&recorded));
  }
  // The status of each request, in order.
  std::vector<int> recorded() {
    absl::MutexLock lock(&mutex_);
    return recorded_;
  }

  uint64_t max_body_bytes = 1 << 20;
  const std::shared_ptr<FakeSource> source = std::make_shared<FakeSource>();

 private:
  static HttpResponse Text(int status, std::string text) {
    HttpResponse response;
    response.status = status;
    response.SetBody(std::move(text), "text/plain");
    return response;
  }

  absl::Mutex mutex_;
  int waiting_ ABSL_GUARDED_BY(mutex_) = 0;
  bool released_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<int> recorded_ ABSL_GUARDED_BY(mutex_);
};

class HttpServerFixture : public testing::Test {
 protected:
  ~HttpServerFixture() override { handler_.Release(); }

  void Start() {
    auto server = HttpServer::Start(options_, &handler_);
    ASSERT_THAT(server, IsOk());
    server_ = *std::move(server);
  }
  int port() const { return server_->address().port; }
  RawClient Connect(const char* from = "127.0.0.1") { return RawClient(port(), from); }
  // The answer of the server until it ends the connection.
  std::string Ask(absl::string_view bytes) {
    RawClient client = Connect();
    client.Send(bytes);
    return client.ReadAll();
  }

  HttpServerOptions options_;
  FakeHandler handler_;
  std::unique_ptr<HttpServer> server_;
};

}  // namespace test
}  // namespace s2p

#endif  // S2P_TESTS_DAEMON_HTTP_SERVER_FIXTURE_H_
