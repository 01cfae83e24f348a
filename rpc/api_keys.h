// The keys that callers must present.
#ifndef S2P_RPC_API_KEYS_H_
#define S2P_RPC_API_KEYS_H_

#include <cstddef>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/key_file.h"

namespace s2p {

// The owner of an accepted key. A plain value.
struct KeyHolder {
  // As in KeyEntry.
  std::string name;
  Roles roles;
};

// The set of accepted keys, from a file (base/key_file.h). Immutable. Keeps only digests, so a core
// dump holds no key.
class ApiKeys {
 public:
  // As ReadKeyFile; InvalidArgument also for a file without any key: an empty file must not admit
  // everyone.
  static absl::StatusOr<ApiKeys> Read(const std::string& path);

  // As Read, from the file's contents; `path` is for messages.
  static absl::StatusOr<ApiKeys> Parse(absl::string_view contents, const std::string& path);

  // `authorization` is the value of the header "authorization": "Bearer KEY". Unauthenticated if it
  // is missing (empty), has another form, or is none of the keys; the message never repeats it.
  // Takes the same time for every wrong key.
  absl::StatusOr<KeyHolder> Authorize(absl::string_view authorization) const;

  size_t size() const { return bare_.size() + named_.size(); }
  // Each key as "NAME ROLE,ROLE", with its digest; sorted.
  std::vector<std::pair<std::string, KeyDigest>> Descriptions() const;

 private:
  explicit ApiKeys(std::vector<KeyEntry> entries);
  std::vector<KeyEntry> bare_;
  // By name, which is a part of the key, so that one salted hash a call is enough.
  std::map<std::string, KeyEntry, std::less<>> named_;
};

}  // namespace s2p

#endif  // S2P_RPC_API_KEYS_H_
