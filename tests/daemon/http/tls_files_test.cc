#include "daemon/http/tls_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>
#include <signal.h>

#include <cstdio>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "daemon/health_check.h"
#include "daemon/http_endpoint.h"
#include "daemon/reload_signal.h"
#include "tests/daemon/http/raw_client.h"
#include "tests/daemon/http/server_fixture.h"
#include "tests/daemon/http/test_certificate.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace s2p {
namespace {

using test::Get;
using test::IsOk;
using test::RawClient;
using test::StatusIs;
using test::TestCertificate;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

// A connection over TLS that believes any certificate. One thread only.
class TlsClient {
 public:
  explicit TlsClient(int port, const TestCertificate* own = nullptr)
      : client_(port), context_(SSL_CTX_new(TLS_client_method()), &SSL_CTX_free) {
    if (own != nullptr) {
      SSL_CTX_use_certificate(context_.get(), own->certificate());
      SSL_CTX_use_PrivateKey(context_.get(), own->key());
    }
    ssl_.reset(SSL_new(context_.get()));
    SSL_set_fd(ssl_.get(), client_.fd());
    is_connected_ = SSL_connect(ssl_.get()) == 1;
  }
  bool is_connected() const { return is_connected_; }

  // The name in the server's certificate.
  std::string ServerName() const {
    const std::unique_ptr<X509, decltype(&X509_free)> peer(SSL_get1_peer_certificate(ssl_.get()),
                                                           &X509_free);
    char name[256] = {};
    X509_NAME_get_text_by_NID(X509_get_subject_name(peer.get()), NID_commonName, name,
                              sizeof(name));
    return name;
  }
  // The server's answer until the bytes end with `end`, if given, or the connection ends.
  std::string Ask(const std::string& request, const std::string& end = "") {
    SSL_write(ssl_.get(), request.data(), static_cast<int>(request.size()));
    std::string all;
    char buffer[4096];
    while (end.empty() || !absl::EndsWith(all, end)) {
      const int count = SSL_read(ssl_.get(), buffer, sizeof(buffer));
      if (count <= 0) break;
      all.append(buffer, static_cast<size_t>(count));
    }
    return all;
  }

 private:
  RawClient client_;
  const std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context_;
  std::unique_ptr<SSL, decltype(&SSL_free)> ssl_{nullptr, &SSL_free};
  bool is_connected_ = false;
};

class HttpTlsTest : public test::HttpServerFixture {
 protected:
  void SetUp() override {
    options_.tls.cert = dir_.File("cert.pem");
    options_.tls.key = dir_.File("key.pem");
    options_.tls_reload_interval = std::chrono::seconds(0);
    options_.count_reload = [this](absl::string_view files, bool ok) {
      absl::MutexLock lock(&mutex_);
      reloads_.push_back(absl::StrCat(files, ok ? " ok" : " failed"));
    };
    Use(TestCertificate("first"));
  }
  void Use(const TestCertificate& certificate) {
    Write("cert.pem", certificate.cert_pem());
    Write("key.pem", certificate.key_pem());
  }
  // Replaces a file as a program that renews certificates does.
  void Write(const std::string& name, const std::string& bytes) {
    const std::string path = dir_.File(name);
    std::ofstream(path + ".new") << bytes;
    std::rename((path + ".new").c_str(), path.c_str());
  }

  // Attempts to read the files again, in order.
  std::vector<std::string> reloads() {
    absl::MutexLock lock(&mutex_);
    return reloads_;
  }

  test::TempDir dir_;

 private:
  absl::Mutex mutex_;
  std::vector<std::string> reloads_ ABSL_GUARDED_BY(mutex_);
};

TEST_F(HttpTlsTest, RequestIsAnsweredOverTls) {
  Start();
  TlsClient client(port());
  ASSERT_TRUE(client.is_connected());
  EXPECT_EQ(client.ServerName(), "first");
  EXPECT_THAT(client.Ask(Get("/path")), StartsWith("HTTP/1.1 200"));
}

TEST_F(HttpTlsTest, NewCertificateServesNewConnectionsAndOldOnesStay) {
  Start();
  TlsClient before(port());
  Use(TestCertificate("second"));
  EXPECT_EQ(TlsClient(port()).ServerName(), "second");
  EXPECT_THAT(before.Ask(Get("/path", ""), "GET /path "), EndsWith("GET /path "));
  EXPECT_THAT(reloads(), ElementsAre("http_tls ok"));
}

TEST_F(HttpTlsTest, BadNewFileKeepsTheOldAndIsCountedOnce) {
  Start();
  Write("cert.pem", "not a certificate");
  EXPECT_EQ(TlsClient(port()).ServerName(), "first");
  EXPECT_EQ(TlsClient(port()).ServerName(), "first");
  EXPECT_THAT(reloads(), ElementsAre("http_tls failed"));
  std::remove(options_.tls.cert.c_str());
  EXPECT_EQ(TlsClient(port()).ServerName(), "first");
  EXPECT_THAT(reloads(), ElementsAre("http_tls failed", "http_tls failed"));
}

TEST_F(HttpTlsTest, CertificateThatArrivesBeforeItsKeyWaitsForIt) {
  Start();
  const TestCertificate second("second");
  Write("cert.pem", second.cert_pem());
  EXPECT_EQ(TlsClient(port()).ServerName(), "first");
  Write("key.pem", second.key_pem());
  EXPECT_EQ(TlsClient(port()).ServerName(), "second");
  EXPECT_THAT(reloads(), ElementsAre("http_tls failed", "http_tls ok"));
}

TEST_F(HttpTlsTest, SignalReadsTheFilesAgain) {
  ASSERT_THAT(CatchReloadSignal(), IsOk());
  options_.tls_reload_interval = std::chrono::hours(1);
  Start();
  Use(TestCertificate("second"));
  EXPECT_EQ(TlsClient(port()).ServerName(), "first");
  raise(SIGHUP);
  EXPECT_EQ(TlsClient(port()).ServerName(), "second");
}

TEST_F(HttpTlsTest, UnusableFilesStopTheStartByName) {
  Write("key.pem", TestCertificate("other").key_pem());
  EXPECT_THAT(HttpServer::Start(options_, &handler_),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("is not the key of")));
  Write("cert.pem", "not a certificate");
  EXPECT_THAT(HttpServer::Start(options_, &handler_),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("cert.pem")));
  std::remove(options_.tls.cert.c_str());
  EXPECT_THAT(HttpServer::Start(options_, &handler_),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("--http-tls-cert")));
  options_.tls.key = "";
  EXPECT_THAT(HttpServer::Start(options_, &handler_),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("one is missing")));
  options_.tls = HttpTlsOptions();
  options_.tls.client_ca = dir_.File("cert.pem");
  EXPECT_THAT(
      HttpServer::Start(options_, &handler_),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("--http-tls-client-ca needs")));
}

TEST_F(HttpTlsTest, GarbageInPlaceOfAHandshakeEndsTheConnection) {
  Start();
  EXPECT_THAT(Ask(std::string(100, '\x01')), testing::Not(HasSubstr("HTTP")));
  EXPECT_THAT(TlsClient(port()).Ask(Get("/path")), StartsWith("HTTP/1.1 200"));
}

TEST_F(HttpTlsTest, PlainHttpIsNotAnswered) {
  Start();
  EXPECT_THAT(Ask(Get("/path")), testing::Not(HasSubstr("HTTP")));
}

TEST_F(HttpTlsTest, UnfinishedHandshakeEndsAtTheDeadlineOfTheHead) {
  options_.head_deadline = absl::Milliseconds(1);
  Start();
  EXPECT_THAT(Connect().ReadAll(), IsEmpty());
}

TEST_F(HttpTlsTest, ClientWithoutTheAuthoritysCertificateIsNotAnswered) {
  const TestCertificate authority("authority"), other("other");
  const TestCertificate known("known", &authority), unknown("unknown", &other);
  Write("ca.pem", authority.cert_pem());
  options_.tls.client_ca = dir_.File("ca.pem");
  Start();
  EXPECT_THAT(TlsClient(port(), &known).Ask(Get("/path")), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(TlsClient(port(), &unknown).Ask(Get("/path")), IsEmpty());
  EXPECT_THAT(TlsClient(port()).Ask(Get("/path")), IsEmpty());
}

TEST_F(HttpTlsTest, HealthIsAskedOverTls) {
  HttpEndpointOptions options;
  options.listen = "127.0.0.1:0";
  options.tls = options_.tls;
  const auto endpoint = HttpEndpoint::Start(options);
  ASSERT_THAT(endpoint, IsOk());
  EXPECT_THAT(CheckHealth((*endpoint)->address(), options.tls), IsOk());
  EXPECT_THAT(CheckHealth((*endpoint)->address()), StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(HttpTlsTest, ProcessThatWantsAClientsCertificateIsAlive) {
  HttpEndpointOptions options;
  options.listen = "127.0.0.1:0";
  options.tls = options_.tls;
  options.tls.client_ca = options_.tls.cert;
  const auto endpoint = HttpEndpoint::Start(options);
  ASSERT_THAT(endpoint, IsOk());
  EXPECT_THAT(CheckHealth((*endpoint)->address(), options.tls), IsOk());
}

}  // namespace
}  // namespace s2p
