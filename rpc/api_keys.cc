#include "rpc/api_keys.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace s2p {
namespace {

constexpr absl::string_view kScheme = "bearer ";

absl::StatusOr<std::vector<KeyEntry>> NotEmpty(std::vector<KeyEntry> entries,
                                               const std::string& path) {
  if (!entries.empty()) return entries;
  return absl::InvalidArgumentError(absl::StrCat(path, " contains no API key"));
}

bool IsEqual(const KeyDigest& one, const KeyDigest& other) {
  return CRYPTO_memcmp(one.data(), other.data(), one.size()) == 0;
}

}  // namespace

absl::StatusOr<ApiKeys> ApiKeys::Read(const std::string& path) {
  S2P_ASSIGN_OR_RETURN(auto entries, ReadKeyFile(path));
  S2P_ASSIGN_OR_RETURN(entries, NotEmpty(std::move(entries), path));
  return ApiKeys(std::move(entries));
}

absl::StatusOr<ApiKeys> ApiKeys::Parse(absl::string_view contents, const std::string& path) {
  S2P_ASSIGN_OR_RETURN(auto entries, ParseKeyFile(contents, path));
  S2P_ASSIGN_OR_RETURN(entries, NotEmpty(std::move(entries), path));
  return ApiKeys(std::move(entries));
}

ApiKeys::ApiKeys(std::vector<KeyEntry> entries) {
  for (KeyEntry& entry : entries) {
    if (entry.is_bare()) {
      bare_.push_back(std::move(entry));
    } else {
      std::string name = entry.name;
      named_.emplace(std::move(name), std::move(entry));
    }
  }
}

absl::StatusOr<KeyHolder> ApiKeys::Authorize(absl::string_view authorization) const {
  if (authorization.empty()) {
    return absl::UnauthenticatedError(
        "an API key is needed: send the header 'authorization: Bearer KEY'");
  }
  if (!absl::StartsWithIgnoreCase(authorization, kScheme)) {
    return absl::UnauthenticatedError("the header authorization is not of the form 'Bearer KEY'");
  }
  const absl::string_view key = authorization.substr(kScheme.size());
  const KeyEntry* holder = nullptr;
  const KeyDigest plain = DigestOfKey("", key);
  for (const KeyEntry& entry : bare_) {
    if (IsEqual(entry.digest, plain)) holder = &entry;
  }
  const auto named = named_.find(NameInKey(key));
  // Whether a name is known shall not show in the time, either.
  static const auto* const nobody = new KeyEntry{"", {}, 0, std::string(16, '\0'), {}};
  const KeyEntry& claimed = named == named_.end() ? *nobody : named->second;
  const bool is_right = IsEqual(claimed.digest, DigestOfKey(claimed.salt, key));
  if (is_right && named != named_.end()) holder = &claimed;
  if (holder == nullptr) return absl::UnauthenticatedError("the API key is not known here");
  return KeyHolder{holder->name, holder->roles};
}

std::vector<std::pair<std::string, KeyDigest>> ApiKeys::Descriptions() const {
  std::vector<std::pair<std::string, KeyDigest>> descriptions;
  const auto describe = [&](const KeyEntry& entry) {
    descriptions.emplace_back(absl::StrCat(entry.name, " ", entry.roles.ToString()), entry.digest);
  };
  for (const KeyEntry& entry : bare_) describe(entry);
  for (const auto& [name, entry] : named_) describe(entry);
  std::sort(descriptions.begin(), descriptions.end());
  return descriptions;
}

}  // namespace s2p
