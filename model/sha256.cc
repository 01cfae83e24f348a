#include "model/sha256.h"

#include <openssl/evp.h>

#include <algorithm>
#include <cstdint>

#include "absl/strings/escaping.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "model/file.h"
#include "model/sha256_stream.h"

namespace s2p {

// OpenSSL fails here only when it cannot allocate a few bytes.
Sha256Stream::Sha256Stream() : context_(EVP_MD_CTX_new(), &EVP_MD_CTX_free) {
  S2P_CHECK(context_ != nullptr && EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1);
}

void Sha256Stream::Add(absl::string_view bytes) {
  S2P_CHECK(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1);
}

std::string Sha256Stream::Hex() {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  S2P_CHECK(EVP_DigestFinal_ex(context_.get(), digest, &size) == 1);
  return absl::BytesToHexString(absl::string_view(reinterpret_cast<char*>(digest), size));
}

std::string Sha256(absl::string_view bytes) { return Sha256(absl::MakeConstSpan(&bytes, 1)); }

std::string Sha256(absl::Span<const absl::string_view> pieces) {
  Sha256Stream hasher;
  for (const absl::string_view piece : pieces) hasher.Add(piece);
  return hasher.Hex();
}

absl::StatusOr<std::string> Sha256OfFile(const std::string& path) {
  S2P_ASSIGN_OR_RETURN(InputFile file, InputFile::Open(path));
  Sha256Stream hasher;
  std::string piece;
  for (uint64_t left = file.size_bytes(); left > 0; left -= piece.size()) {
    piece.resize(std::min<uint64_t>(left, uint64_t{1} << 20));
    S2P_RETURN_IF_ERROR(file.Read(&piece[0], piece.size()));
    hasher.Add(piece);
  }
  return hasher.Hex();
}

}  // namespace s2p
