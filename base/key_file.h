// The file of the API keys that a server accepts.
#ifndef S2P_BASE_KEY_FILE_H_
#define S2P_BASE_KEY_FILE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace s2p {

// A permission of the holder of a key.
enum class Role : unsigned {
  // Search, and look at photos and models.
  kSearch = 1,
  // Add, change and delete photos, and look at them.
  kWrite = 2,
  // Submit, watch and end training jobs.
  kTrain = 4,
  // Everything, including what no other role opens.
  kAdmin = 8,
};

// A set of roles. Immutable.
class Roles {
 public:
  constexpr Roles() = default;
  constexpr Roles(std::initializer_list<Role> roles) {
    for (const Role role : roles) bits_ |= static_cast<unsigned>(role);
  }
  // "search,write". InvalidArgument names an unknown role, and lists the known ones.
  static absl::StatusOr<Roles> Parse(absl::string_view text);

  // Whether the holder of these has one of `wanted`. kAdmin stands for each role.
  constexpr bool IncludeOneOf(Roles wanted) const {
    return ((bits_ & wanted.bits_) | (bits_ & static_cast<unsigned>(Role::kAdmin))) != 0;
  }
  constexpr bool empty() const { return bits_ == 0; }
  // The names, in the order of Role, separated by commas.
  std::string ToString() const;

 private:
  unsigned bits_ = 0;
};

using KeyDigest = std::array<unsigned char, 32>;

// One accepted key. A plain value.
struct KeyEntry {
  // For a bare key "line:N", which no other key can be called.
  std::string name;
  Roles roles;
  // In the file, from 1.
  int64_t line = 0;
  // Bytes; empty for a bare key.
  std::string salt;
  // As DigestOfKey.
  KeyDigest digest = {};

  bool is_bare() const { return salt.empty(); }
};

// SHA-256 of salt and key. A fast hash is enough because keys are random: those of AddKey have 256
// bits, which nobody can try out, however fast. The salt makes equal keys look different.
KeyDigest DigestOfKey(absl::string_view salt, absl::string_view key);

// The name in a key of AddKey, "s2p.NAME.SECRET"; empty for any other text.
absl::string_view NameInKey(absl::string_view key);

// Reads the text (base/text_file.h) of a key file. Each line is one of
//
//   NAME ROLE[,ROLE...] sha256:SALT:DIGEST    16 and 32 bytes in hex; what AddKey writes
//   KEY                                       a bare key with all roles: at least 16 printable
//                                             ASCII characters without spaces
//
// Blank lines and lines that start with # are skipped. A name is 1 to 64 letters, digits, - and _.
// `path` is for messages. InvalidArgument with the line number for a bad line or a name that is
// used twice, and for more than 1,000 keys; messages repeat no key.
absl::StatusOr<std::vector<KeyEntry>> ParseKeyFile(absl::string_view contents,
                                                   const std::string& path);

// As ParseKeyFile and ReadTextFile, with a limit of 1 MiB; PermissionDenied also if every user of
// the machine may read or write the file (its group may: that is how orchestrators hand out
// secrets).
absl::StatusOr<std::vector<KeyEntry>> ReadKeyFile(const std::string& path);

// Makes a new random key, appends its hash to the file and returns the key, which is stored
// nowhere. Creates the file with mode 0600 if it is missing. The file is replaced as a whole and
// keeps mode and group; one AddKey or RevokeKey at a time works on the files of a folder.
// InvalidArgument for a bad name or no roles; AlreadyExists if the name is taken; else as
// ReadKeyFile, and the system's error if the file cannot be written.
absl::StatusOr<std::string> AddKey(const std::string& path, const std::string& name, Roles roles);

// Removes a key by its name. NotFound if there is none; FailedPrecondition if it is the only one: a
// server keeps its former keys rather than read a file without any. Else as AddKey.
absl::Status RevokeKey(const std::string& path, const std::string& name);

// The key in a file that a client reads: its first line, without white space at the ends. As
// ReadKeyFile; InvalidArgument also if the line is empty.
absl::StatusOr<std::string> ReadClientKey(const std::string& path);

}  // namespace s2p

#endif  // S2P_BASE_KEY_FILE_H_
