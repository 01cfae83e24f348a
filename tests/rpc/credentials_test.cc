#include "rpc/credentials.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace s2p {
namespace {

using test::IsOk;
using testing::HasSubstr;

constexpr char kKeys[] = "0123456789abcdef\n";

void ExpectError(const absl::Status& status, absl::StatusCode code, const std::string& words) {
  EXPECT_EQ(status.code(), code) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(words));
}

TEST(CredentialsTest, PlainTextIsForLoopback) {
  EXPECT_THAT(MakeServerCredentials("127.0.0.1:0", {}), IsOk());
}

TEST(CredentialsTest, PlainTextBeyondLoopbackIsRefused) {
  ExpectError(MakeServerCredentials("0.0.0.0:0", {}).status(), absl::StatusCode::kInvalidArgument,
              "--insecure");
}

TEST(CredentialsTest, InsecureOpensAllInterfaces) {
  CredentialOptions options;
  options.insecure = true;
  EXPECT_THAT(MakeServerCredentials("0.0.0.0:0", options), IsOk());
}

TEST(CredentialsTest, CertificateWithoutKeyIsRefused) {
  CredentialOptions options;
  options.tls_cert = "cert.pem";
  ExpectError(MakeServerCredentials("127.0.0.1:0", options).status(),
              absl::StatusCode::kInvalidArgument, "--tls-cert and --tls-key go together");
}

TEST(CredentialsTest, ClientAuthorityWithoutTlsIsRefused) {
  CredentialOptions options;
  options.tls_client_ca = "ca.pem";
  ExpectError(MakeServerCredentials("127.0.0.1:0", options).status(),
              absl::StatusCode::kInvalidArgument, "--tls-client-ca needs");
}

TEST(CredentialsTest, MissingCertificateFileIsNotFound) {
  test::TempDir dir;
  CredentialOptions options;
  options.tls_cert = dir.File("cert.pem");
  options.tls_key = dir.File("key.pem");
  ExpectError(MakeServerCredentials("0.0.0.0:0", options).status(), absl::StatusCode::kNotFound,
              options.tls_cert);
}

TEST(CredentialsTest, FileThatIsNoCertificateIsInvalid) {
  test::TempDir dir;
  CredentialOptions options;
  options.tls_cert = dir.File("cert.pem");
  options.tls_key = options.tls_cert;
  std::ofstream(options.tls_cert) << "hello\n";
  ExpectError(MakeServerCredentials("0.0.0.0:0", options).status(),
              absl::StatusCode::kInvalidArgument,
              "--tls-cert: cannot read " + options.tls_cert + ": holds no certificate");
}

TEST(AuthorizeCallTest, WithoutKeysEveryCallIsFine) {
  const auto holder = AuthorizeCall(nullptr, {});
  ASSERT_THAT(holder, IsOk());
  EXPECT_EQ(holder->name, "anonymous");
  EXPECT_TRUE(holder->roles.IncludeOneOf({Role::kAdmin}));
}

TEST(AuthorizeCallTest, CallWithAKeyIsFine) {
  const ApiKeys keys = *ApiKeys::Parse(kKeys, "keys");
  EXPECT_THAT(AuthorizeCall(&keys, {{"authorization", "Bearer 0123456789abcdef"}}), IsOk());
}

TEST(AuthorizeCallTest, CallWithoutHeaderIsUnauthenticated) {
  const ApiKeys keys = *ApiKeys::Parse(kKeys, "keys");
  ExpectError(AuthorizeCall(&keys, {{"x", "y"}}).status(), absl::StatusCode::kUnauthenticated,
              "an API key is needed");
}

TEST(AuthorizeCallTest, TwoHeadersAreUnauthenticated) {
  const ApiKeys keys = *ApiKeys::Parse(kKeys, "keys");
  ExpectError(AuthorizeCall(&keys, {{"authorization", "Bearer 0123456789abcdef"},
                                    {"authorization", "Bearer x"}})
                  .status(),
              absl::StatusCode::kUnauthenticated, "more than once");
}

}  // namespace
}  // namespace s2p
