#include "rpc/credentials.h"

#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "base/text_file.h"
#include "daemon/listen_address.h"
#include "daemon/options.h"

namespace s2p {
namespace {

absl::StatusOr<std::string> ReadPem(absl::string_view flag, const std::string& path) {
  auto text = ReadPemFile(path);
  if (text.ok()) return text;
  return absl::Status(text.status().code(),
                      absl::StrCat("--", flag, ": cannot read ", text.status().message()));
}

// gRPC itself would fail to start without saying why.
absl::Status CheckPair(const std::string& cert, const std::string& key,
                       const CredentialOptions& options) {
  const auto memory = [](const std::string& text) {
    return std::unique_ptr<BIO, decltype(&BIO_free)>(
        BIO_new_mem_buf(text.data(), static_cast<int>(text.size())), &BIO_free);
  };
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(
      PEM_read_bio_X509(memory(cert).get(), nullptr, nullptr, nullptr), &X509_free);
  if (certificate == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("--tls-cert: no certificate in PEM form in ", options.tls_cert));
  }
  // An empty password keeps OpenSSL from asking at the terminal.
  char no_password[] = "";
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> private_key(
      PEM_read_bio_PrivateKey(memory(key).get(), nullptr, nullptr, no_password), &EVP_PKEY_free);
  if (private_key == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("--tls-key: no private key in PEM form in ", options.tls_key));
  }
  if (X509_check_private_key(certificate.get(), private_key.get()) != 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("--tls-key: ", options.tls_key, " is not the key of ", options.tls_cert));
  }
  return absl::OkStatus();
}

}  // namespace

void AddCredentialOptions(Options* options, CredentialOptions* credential_options) {
  options->Add("tls-cert", &credential_options->tls_cert,
               "PEM file of the certificate chain; with --tls-key, serve over TLS");
  options->Add("tls-key", &credential_options->tls_key, "PEM file of the private key");
  options->Add("tls-client-ca", &credential_options->tls_client_ca,
               "PEM file of the authority that client certificates must come from");
  options->Add("insecure", &credential_options->insecure, "allow plain text beyond loopback");
  options->Add("api-key-file", &credential_options->api_key_file,
               "file of accepted API keys, one a line; without it no key is asked for");
}

absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> MakeServerCredentials(
    const std::string& listen, const CredentialOptions& options) {
  const bool has_tls = !options.tls_cert.empty() && !options.tls_key.empty();
  if (options.tls_cert.empty() != options.tls_key.empty()) {
    return absl::InvalidArgumentError("--tls-cert and --tls-key go together: one is missing");
  }
  if (!options.tls_client_ca.empty() && !has_tls) {
    return absl::InvalidArgumentError("--tls-client-ca needs --tls-cert and --tls-key");
  }
  absl::Status status = CheckListenAddress(listen, has_tls, options.insecure);
  if (!status.ok()) return status;
  if (!has_tls) return grpc::InsecureServerCredentials();

  S2P_ASSIGN_OR_RETURN(std::string cert, ReadPem("tls-cert", options.tls_cert));
  S2P_ASSIGN_OR_RETURN(std::string key, ReadPem("tls-key", options.tls_key));
  if (status = CheckPair(cert, key, options); !status.ok()) return status;
  grpc::SslServerCredentialsOptions ssl;
  ssl.pem_key_cert_pairs.push_back({std::move(key), std::move(cert)});
  if (!options.tls_client_ca.empty()) {
    S2P_ASSIGN_OR_RETURN(ssl.pem_root_certs, ReadPem("tls-client-ca", options.tls_client_ca));
    ssl.client_certificate_request = GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY;
  }
  return grpc::SslServerCredentials(ssl);
}

absl::Status AuthorizeCall(const ApiKeys* keys,
                           const std::multimap<grpc::string_ref, grpc::string_ref>& metadata) {
  if (keys == nullptr) return absl::OkStatus();
  const auto [begin, end] = metadata.equal_range("authorization");
  if (begin == end) return keys->Authorize("");
  if (std::next(begin) != end) {
    return absl::UnauthenticatedError("the header authorization is given more than once");
  }
  return keys->Authorize(absl::string_view(begin->second.data(), begin->second.size()));
}

}  // namespace s2p
