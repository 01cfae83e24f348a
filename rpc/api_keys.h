// The keys that callers must present.
#ifndef S2P_RPC_API_KEYS_H_
#define S2P_RPC_API_KEYS_H_

#include <array>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace s2p {

// The set of accepted keys; any of them opens every method. Immutable. Keeps only digests, so a
// core dump holds no key.
//
// File: text (base/text_file.h) with one key per line, at least 16 printable ASCII characters
// without spaces; blank lines and lines that start with # are skipped. Several keys make rotation
// possible: add the new one, move the callers, drop the old one. Text after a space is refused, so
// that a later version can put roles there without changing the meaning of today's files.
class ApiKeys {
 public:
  // As ReadTextFile; PermissionDenied also if every user of the machine may read or write the file
  // (its group may: that is how orchestrators hand out secrets). InvalidArgument with the line
  // number for a bad line, and for a file without any key: an empty file must not admit everyone.
  static absl::StatusOr<ApiKeys> Read(const std::string& path);

  // As Read, from the file's contents; `path` is for messages.
  static absl::StatusOr<ApiKeys> Parse(absl::string_view contents, const std::string& path);

  // `authorization` is the value of the header "authorization": "Bearer KEY". Unauthenticated if it
  // is missing (empty), has another form, or is none of the keys; the message never repeats it.
  // Takes the same time for every wrong key.
  absl::Status Authorize(absl::string_view authorization) const;

  size_t size() const { return digests_.size(); }

 private:
  using Digest = std::array<unsigned char, 32>;
  explicit ApiKeys(std::vector<Digest> digests);
  std::vector<Digest> digests_;
};

}  // namespace s2p

#endif  // S2P_RPC_API_KEYS_H_
