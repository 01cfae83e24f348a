// Certificates made for one test.
#ifndef S2P_TESTS_DAEMON_HTTP_TEST_CERTIFICATE_H_
#define S2P_TESTS_DAEMON_HTTP_TEST_CERTIFICATE_H_

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>

namespace s2p {
namespace test {

// A key and a certificate of this name, signed by `authority`, or by itself. One thread only.
class TestCertificate {
 public:
  explicit TestCertificate(const std::string& name, const TestCertificate* authority = nullptr)
      : key_(EVP_EC_gen("P-256"), &EVP_PKEY_free), certificate_(X509_new(), &X509_free) {
    X509* const x509 = certificate_.get();
    X509_set_version(x509, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x509), 1);
    X509_gmtime_adj(X509_getm_notBefore(x509), -3600);
    X509_gmtime_adj(X509_getm_notAfter(x509), 3600);
    X509_set_pubkey(x509, key_.get());
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x509), "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
    // Lets it sign others.
    X509_EXTENSION* const is_authority =
        X509V3_EXT_conf_nid(nullptr, nullptr, NID_basic_constraints, "critical,CA:TRUE");
    X509_add_ext(x509, is_authority, -1);
    X509_EXTENSION_free(is_authority);
    const TestCertificate& issuer = authority == nullptr ? *this : *authority;
    X509_set_issuer_name(x509, X509_get_subject_name(issuer.certificate_.get()));
    X509_sign(x509, issuer.key_.get(), EVP_sha256());
  }

  std::string cert_pem() const {
    BIO* const bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(bio, certificate_.get());
    return Taken(bio);
  }
  std::string key_pem() const {
    BIO* const bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(bio, key_.get(), nullptr, nullptr, 0, nullptr, nullptr);
    return Taken(bio);
  }
  X509* certificate() const { return certificate_.get(); }
  EVP_PKEY* key() const { return key_.get(); }

 private:
  static std::string Taken(BIO* bio) {
    char* bytes = nullptr;
    const long count = BIO_get_mem_data(bio, &bytes);
    std::string text(bytes, static_cast<size_t>(count));
    BIO_free(bio);
    return text;
  }

  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key_;
  const std::unique_ptr<X509, decltype(&X509_free)> certificate_;
};

}  // namespace test
}  // namespace s2p

#endif  // S2P_TESTS_DAEMON_HTTP_TEST_CERTIFICATE_H_
