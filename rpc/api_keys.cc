#include "rpc/api_keys.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <sys/stat.h>

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "base/text_file.h"

namespace s2p {
namespace {

constexpr size_t kMinKeyLength = 16;
// Limits the cost of a wrong path, such as that of a log.
constexpr uint64_t kMaxKeyFileBytes = uint64_t{1} << 20;
constexpr absl::string_view kScheme = "bearer ";

std::array<unsigned char, 32> DigestOf(absl::string_view key) {
  std::array<unsigned char, 32> digest;
  SHA256(reinterpret_cast<const unsigned char*>(key.data()), key.size(), digest.data());
  return digest;
}

}  // namespace

absl::StatusOr<ApiKeys> ApiKeys::Read(const std::string& path) {
  const auto text = ReadTextFile(path, kMaxKeyFileBytes);
  if (!text.ok()) {
    return absl::Status(text.status().code(),
                        absl::StrCat("cannot read the API keys in ", text.status().message()));
  }
  struct stat attributes = {};
  if (stat(path.c_str(), &attributes) != 0 || (attributes.st_mode & (S_IROTH | S_IWOTH)) != 0) {
    return absl::PermissionDeniedError(absl::StrCat(
        path, " is open to every user of this machine, so its API keys are no secret: chmod 600"));
  }
  return Parse(*text, path);
}

absl::StatusOr<ApiKeys> ApiKeys::Parse(absl::string_view contents, const std::string& path) {
  S2P_ASSIGN_OR_RETURN(auto file, TextFile::Parse(contents, path));
  std::vector<Digest> digests;
  absl::string_view line;
  while (file.NextFilled(&line)) {
    if (line.front() == '#') continue;
    for (char c : line) {
      if (!absl::ascii_isgraph(c)) {
        return file.Wrong("a key is printable ASCII without spaces, one key a line");
      }
    }
    if (line.size() < kMinKeyLength) {
      return file.Wrong(absl::StrCat("a key of ", line.size(),
                                     " characters can be guessed; at least ", kMinKeyLength,
                                     " are needed"));
    }
    digests.push_back(DigestOf(line));
  }
  if (digests.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(path, " contains no API key"));
  }
  return ApiKeys(std::move(digests));
}

ApiKeys::ApiKeys(std::vector<Digest> digests) : digests_(std::move(digests)) {}

absl::Status ApiKeys::Authorize(absl::string_view authorization) const {
  if (authorization.empty()) {
    return absl::UnauthenticatedError(
        "an API key is needed: send the header 'authorization: Bearer KEY'");
  }
  if (!absl::StartsWithIgnoreCase(authorization, kScheme)) {
    return absl::UnauthenticatedError("the header authorization is not of the form 'Bearer KEY'");
  }
  const Digest digest = DigestOf(authorization.substr(kScheme.size()));
  int found = 0;
  for (const Digest& known : digests_) {
    found |= CRYPTO_memcmp(known.data(), digest.data(), digest.size()) == 0 ? 1 : 0;
  }
  if (found == 0) return absl::UnauthenticatedError("the API key is not known here");
  return absl::OkStatus();
}

}  // namespace s2p
