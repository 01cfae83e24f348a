#include "model/sha256.h"

#include <openssl/evp.h>

#include <algorithm>
#include <cstdint>

#include "absl/strings/escaping.h"
#include "base/status_macros.h"
#include "model/check.h"
#include "model/file.h"

namespace s2p {
namespace {

// OpenSSL fails here only when it cannot allocate a few bytes.
class Hasher {
 public:
  Hasher() : context_(EVP_MD_CTX_new()) {
    S2P_CHECK(context_ != nullptr && EVP_DigestInit_ex(context_, EVP_sha256(), nullptr) == 1);
  }
  Hasher(const Hasher&) = delete;
  Hasher& operator=(const Hasher&) = delete;
  ~Hasher() { EVP_MD_CTX_free(context_); }

  void Add(absl::string_view bytes) {
    S2P_CHECK(EVP_DigestUpdate(context_, bytes.data(), bytes.size()) == 1);
  }
  std::string Hex() {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    S2P_CHECK(EVP_DigestFinal_ex(context_, digest, &size) == 1);
    return absl::BytesToHexString(absl::string_view(reinterpret_cast<char*>(digest), size));
  }

 private:
  EVP_MD_CTX* context_;
};

}  // namespace

std::string Sha256(absl::string_view bytes) { return Sha256(absl::MakeConstSpan(&bytes, 1)); }

std::string Sha256(absl::Span<const absl::string_view> pieces) {
  Hasher hasher;
  for (const absl::string_view piece : pieces) hasher.Add(piece);
  return hasher.Hex();
}

absl::StatusOr<std::string> Sha256OfFile(const std::string& path) {
  S2P_ASSIGN_OR_RETURN(InputFile file, InputFile::Open(path));
  Hasher hasher;
  std::string piece;
  for (uint64_t left = file.size_bytes(); left > 0; left -= piece.size()) {
    piece.resize(std::min<uint64_t>(left, uint64_t{1} << 20));
    S2P_RETURN_IF_ERROR(file.Read(&piece[0], piece.size()));
    hasher.Add(piece);
  }
  return hasher.Hex();
}

}  // namespace s2p
