#include "base/tls_pair.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <memory>

#include "absl/strings/str_cat.h"

namespace s2p {
namespace {

std::unique_ptr<BIO, decltype(&BIO_free)> Reader(const std::string& text) {
  return {BIO_new_mem_buf(text.data(), static_cast<int>(text.size())), &BIO_free};
}

// Leaves errors in OpenSSL's queue.
absl::Status Check(const TlsPair& pair) {
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(
      PEM_read_bio_X509(Reader(pair.cert).get(), nullptr, nullptr, nullptr), &X509_free);
  if (certificate == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("--tls-cert: no certificate in PEM form in ", pair.cert_path));
  }
  // An empty password keeps OpenSSL from asking at the terminal.
  char no_password[] = "";
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> private_key(
      PEM_read_bio_PrivateKey(Reader(pair.key).get(), nullptr, nullptr, no_password),
      &EVP_PKEY_free);
  if (private_key == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("--tls-key: no private key in PEM form in ", pair.key_path));
  }
  if (X509_check_private_key(certificate.get(), private_key.get()) != 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("--tls-key: ", pair.key_path, " is not the key of ", pair.cert_path));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckTlsPair(const TlsPair& pair) {
  absl::Status status = Check(pair);
  ERR_clear_error();
  return status;
}

}  // namespace s2p
