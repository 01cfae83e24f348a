// Certificates for tests.
#ifndef S2P_TESTS_TESTING_CERTIFICATE_H_
#define S2P_TESTS_TESTING_CERTIFICATE_H_

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstdlib>
#include <memory>
#include <string>

namespace s2p::test {

// Both in PEM form.
struct Certificate {
  std::string cert;
  std::string key;
};

// A new certificate for "localhost" that signs itself, valid for an hour.
inline Certificate MakeCertificate() {
  const auto check = [](bool ok) {
    if (!ok) std::abort();
  };
  const auto text = [&](auto write) {
    const std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new(BIO_s_mem()), &BIO_free);
    check(write(bio.get()) == 1);
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &data);
    return std::string(data, static_cast<size_t>(size));
  };
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(EVP_EC_gen("P-256"),
                                                                &EVP_PKEY_free);
  const std::unique_ptr<X509, decltype(&X509_free)> cert(X509_new(), &X509_free);
  check(key != nullptr && cert != nullptr);
  X509_set_version(cert.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(cert.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(cert.get()), -60);
  X509_gmtime_adj(X509_getm_notAfter(cert.get()), 3600);
  X509_set_pubkey(cert.get(), key.get());
  X509_NAME* const name = X509_get_subject_name(cert.get());
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>("localhost"), -1, -1, 0);
  X509_set_issuer_name(cert.get(), name);
  const std::pair<int, const char*> extensions[] = {{NID_subject_alt_name, "DNS:localhost"},
                                                    {NID_basic_constraints, "critical,CA:TRUE"}};
  for (const auto& [kind, value] : extensions) {
    const std::unique_ptr<X509_EXTENSION, decltype(&X509_EXTENSION_free)> extension(
        X509V3_EXT_conf_nid(nullptr, nullptr, kind, value), &X509_EXTENSION_free);
    check(extension != nullptr && X509_add_ext(cert.get(), extension.get(), -1) == 1);
  }
  check(X509_sign(cert.get(), key.get(), EVP_sha256()) > 0);
  return {text([&](BIO* bio) { return PEM_write_bio_X509(bio, cert.get()); }), text([&](BIO* bio) {
            return PEM_write_bio_PrivateKey(bio, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
          })};
}

}  // namespace s2p::test

#endif  // S2P_TESTS_TESTING_CERTIFICATE_H_
