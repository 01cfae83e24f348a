#include "daemon/http/tls_files.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "base/text_file.h"
#include "daemon/options.h"

namespace s2p {
namespace {

constexpr unsigned char kSessions[] = "s2p-http";

template <typename T, void (*Free)(T*)>
struct Freed {
  void operator()(T* object) const { Free(object); }
};
using Certificate = std::unique_ptr<X509, Freed<X509, X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY, EVP_PKEY_free>>;

// The text of a PEM file as OpenSSL reads it.
class Pem {
 public:
  static absl::StatusOr<Pem> Read(absl::string_view flag, const std::string& path) {
    auto text = ReadPemFile(path);
    if (!text.ok()) {
      return absl::Status(text.status().code(),
                          absl::StrCat("--", flag, ": cannot read ", text.status().message()));
    }
    return Pem(*std::move(text));
  }
  ~Pem() { BIO_free(bio_); }
  Pem(Pem&& other) noexcept
      : text_(std::move(other.text_)), bio_(std::exchange(other.bio_, nullptr)) {}
  Pem(const Pem&) = delete;
  Pem& operator=(const Pem&) = delete;

  // Null at the end.
  Certificate NextCertificate() {
    Certificate next(PEM_read_bio_X509(bio_, nullptr, nullptr, nullptr));
    ERR_clear_error();
    return next;
  }
  Key ReadKey() {
    // An empty password keeps OpenSSL from asking at the terminal.
    char no_password[] = "";
    Key key(PEM_read_bio_PrivateKey(bio_, nullptr, nullptr, no_password));
    ERR_clear_error();
    return key;
  }

 private:
  // The text stays where it is when the object moves.
  explicit Pem(std::string text)
      : text_(std::make_unique<std::string>(std::move(text))),
        bio_(BIO_new_mem_buf(text_->data(), static_cast<int>(text_->size()))) {}
  std::unique_ptr<std::string> text_;
  BIO* bio_;
};

absl::Status UseChain(const HttpTlsOptions& options, SSL_CTX* context) {
  S2P_ASSIGN_OR_RETURN(Pem file, Pem::Read("http-tls-cert", options.cert));
  const Certificate own = file.NextCertificate();
  if (own == nullptr || SSL_CTX_use_certificate(context, own.get()) != 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("--http-tls-cert: no certificate in PEM form in ", options.cert));
  }
  while (const Certificate next = file.NextCertificate()) {
    SSL_CTX_add1_chain_cert(context, next.get());
  }
  return absl::OkStatus();
}

absl::Status UseKey(const HttpTlsOptions& options, SSL_CTX* context) {
  S2P_ASSIGN_OR_RETURN(Pem file, Pem::Read("http-tls-key", options.key));
  const Key key = file.ReadKey();
  if (key == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("--http-tls-key: no private key in PEM form in ", options.key));
  }
  if (SSL_CTX_use_PrivateKey(context, key.get()) != 1 || SSL_CTX_check_private_key(context) != 1) {
    ERR_clear_error();
    return absl::InvalidArgumentError(
        absl::StrCat("--http-tls-key: ", options.key, " is not the key of ", options.cert));
  }
  return absl::OkStatus();
}

absl::Status UseClientAuthority(const HttpTlsOptions& options, SSL_CTX* context) {
  if (options.client_ca.empty()) return absl::OkStatus();
  S2P_ASSIGN_OR_RETURN(Pem file, Pem::Read("http-tls-client-ca", options.client_ca));
  int count = 0;
  while (const Certificate next = file.NextCertificate()) {
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context), next.get());
    SSL_CTX_add_client_CA(context, next.get());
    ++count;
  }
  if (count == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("--http-tls-client-ca: no certificate in PEM form in ", options.client_ca));
  }
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<SSL_CTX>> MakeContext(const HttpTlsOptions& options) {
  if (options.cert.empty() || options.key.empty()) {
    return absl::InvalidArgumentError(
        options.cert.empty() && options.key.empty()
            ? "--http-tls-client-ca needs --http-tls-cert and --http-tls-key"
            : "--http-tls-cert and --http-tls-key go together: one is missing");
  }
  std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_server_method()), &SSL_CTX_free);
  if (context == nullptr) return absl::InternalError("OpenSSL has no TLS");
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_session_id_context(context.get(), kSessions, sizeof(kSessions) - 1);
  S2P_RETURN_IF_ERROR(UseChain(options, context.get()));
  S2P_RETURN_IF_ERROR(UseKey(options, context.get()));
  S2P_RETURN_IF_ERROR(UseClientAuthority(options, context.get()));
  return context;
}

}  // namespace

void AddHttpTlsFlags(Options& options, HttpTlsOptions* tls) {
  options.Add("http-tls-cert", &tls->cert,
              "PEM file of the certificate chain; with --http-tls-key, HTTP is served over TLS. "
              "The files are read again when they change");
  options.Add("http-tls-key", &tls->key, "PEM file of the private key of --http-tls-cert");
  options.Add("http-tls-client-ca", &tls->client_ca,
              "PEM file of the authority that clients' certificates for HTTP must come from");
}

absl::StatusOr<std::unique_ptr<TlsFiles>> WatchTlsFiles(
    const HttpTlsOptions& options, std::chrono::steady_clock::duration interval,
    ReloadCounter count) {
  ReloadedOptions<std::shared_ptr<SSL_CTX>> files;
  for (const std::string& path : {options.cert, options.key, options.client_ca}) {
    if (!path.empty()) files.paths.push_back(path);
  }
  files.read = [options] { return MakeContext(options); };
  files.report = [count = std::move(count)](const absl::Status& status, const auto&, const auto&) {
    ReportReload("certificates of HTTP", "http_tls", status, count);
  };
  files.interval = interval;
  return TlsFiles::Create(std::move(files));
}

}  // namespace s2p
