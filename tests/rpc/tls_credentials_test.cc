#include "rpc/tls_credentials.h"

#include <fstream>
#include <string>

#include "daemon/health_check.h"
#include "tests/rpc/host_fixture.h"
#include "tests/testing/certificate.h"

namespace s2p::test {
namespace {

using testing::HasSubstr;

class TlsCredentialsTest : public HostTest {
 protected:
  TlsCredentialsTest() {
    options_.credentials.tls_cert = dir_.File("cert.pem");
    options_.credentials.tls_key = dir_.File("key.pem");
    options_.credentials.reload_interval = std::chrono::seconds(0);
    Write("cert.pem", first_.cert);
    Write("key.pem", first_.key);
  }
  // Replaces the file.
  void Write(const std::string& name, const std::string& text) {
    std::ofstream(dir_.File("new")) << text;
    std::filesystem::rename(dir_.File("new"), dir_.File(name));
  }
  // A new connection that trusts `authority` and shows `own`.
  std::unique_ptr<v1::ModelService::Stub> Connect(const Certificate& authority,
                                                  const Certificate& own = {}) {
    grpc::SslCredentialsOptions ssl;
    ssl.pem_root_certs = authority.cert;
    ssl.pem_cert_chain = own.cert;
    ssl.pem_private_key = own.key;
    grpc::ChannelArguments arguments;
    arguments.SetSslTargetNameOverride("localhost");
    // Otherwise gRPC would use an open connection of an equal channel.
    arguments.SetInt("test", ++channels_);
    return v1::ModelService::NewStub(
        grpc::CreateCustomChannel(host_->address(), grpc::SslCredentials(ssl), arguments));
  }
  static absl::StatusCode CodeOf(const std::unique_ptr<v1::ModelService::Stub>& stub) {
    grpc::ClientContext context;
    v1::GetModelStatusResponse response;
    const grpc::Status status = stub->GetModelStatus(&context, {}, &response);
    return static_cast<absl::StatusCode>(status.error_code());
  }

  static constexpr auto kOk = absl::StatusCode::kOk;
  static constexpr auto kUnavailable = absl::StatusCode::kUnavailable;
  const Certificate first_ = MakeCertificate();
  const Certificate second_ = MakeCertificate();
  int channels_ = 0;
};

TEST_F(TlsCredentialsTest, CertificateIsThatOfTheFile) {
  Start();
  EXPECT_EQ(CodeOf(Connect(first_)), kOk);
  EXPECT_EQ(CodeOf(Connect(second_)), kUnavailable);
}

TEST_F(TlsCredentialsTest, NewCertificateIsForNewConnectionsAndOpenOnesStay) {
  Start();
  const auto open = Connect(first_);
  EXPECT_EQ(CodeOf(open), kOk);
  Write("cert.pem", second_.cert);
  Write("key.pem", second_.key);
  EXPECT_EQ(CodeOf(Connect(second_)), kOk);
  EXPECT_EQ(CodeOf(Connect(first_)), kUnavailable);
  EXPECT_EQ(CodeOf(open), kOk);
  EXPECT_THAT(metrics_.Text(), HasReload("tls", "ok"));
}

TEST_F(TlsCredentialsTest, CertificateWithoutItsKeyWaitsForIt) {
  Start();
  Write("cert.pem", second_.cert);
  EXPECT_EQ(CodeOf(Connect(first_)), kOk);
  Write("key.pem", second_.key);
  EXPECT_EQ(CodeOf(Connect(second_)), kOk);
}

TEST_F(TlsCredentialsTest, BrokenFileKeepsTheCertificateAndIsCountedOnce) {
  Start();
  Write("key.pem", "-----BEGIN nonsense");
  EXPECT_EQ(CodeOf(Connect(first_)), kOk);
  EXPECT_EQ(CodeOf(Connect(first_)), kOk);
  EXPECT_THAT(metrics_.Text(), HasReload("tls", "failed"));
}

TEST_F(TlsCredentialsTest, CertificateOfHttpIsReadAgainAndCountedToo) {
  options_.http_tls.cert = options_.credentials.tls_cert;
  options_.http_tls.key = options_.credentials.tls_key;
  Start();
  Write("cert.pem", second_.cert);
  Write("key.pem", second_.key);
  EXPECT_THAT(CheckHealth(host_->http_address(), options_.http_tls), IsOk());
  EXPECT_THAT(metrics_.Text(), HasReload("http_tls", "ok"));
}

TEST_F(TlsCredentialsTest, ClientsNeedACertificateOfTheAuthorityInTheFile) {
  options_.credentials.tls_client_ca = dir_.File("ca.pem");
  Write("ca.pem", second_.cert);
  Start();
  EXPECT_EQ(CodeOf(Connect(first_)), kUnavailable);
  EXPECT_EQ(CodeOf(Connect(first_, second_)), kOk);
  const Certificate third = MakeCertificate();
  Write("ca.pem", third.cert);
  EXPECT_EQ(CodeOf(Connect(first_, third)), kOk);
  EXPECT_EQ(CodeOf(Connect(first_, second_)), kUnavailable);
}

TEST(ReadTlsMaterialTest, KeyOfAnotherCertificateIsRefused) {
  TempDir dir;
  std::ofstream(dir.File("cert.pem")) << MakeCertificate().cert;
  std::ofstream(dir.File("key.pem")) << MakeCertificate().key;
  EXPECT_THAT(ReadTlsMaterial(dir.File("cert.pem"), dir.File("key.pem"), ""),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("is not the key of " + dir.File("cert.pem"))));
}

}  // namespace
}  // namespace s2p::test
