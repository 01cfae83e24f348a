#include "base/key_file.h"

#include <fcntl.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"
#include "base/text_file.h"

namespace s2p {
namespace {

constexpr size_t kMinBareLength = 16;
constexpr size_t kMaxNameLength = 64;
// Each call compares with every bare key.
constexpr size_t kMostKeys = 1000;
// Limits the cost of a wrong path, such as that of a log.
constexpr uint64_t kMaxFileBytes = uint64_t{1} << 20;
constexpr size_t kSaltBytes = 16;
constexpr size_t kSecretBytes = 32;
constexpr absl::string_view kKeyPrefix = "s2p.";
constexpr absl::string_view kHashPrefix = "sha256:";

constexpr std::pair<Role, const char*> kRoleNames[] = {{Role::kSearch, "search"},
                                                       {Role::kWrite, "write"},
                                                       {Role::kTrain, "train"},
                                                       {Role::kAdmin, "admin"}};
constexpr Roles kAllRoles = {Role::kSearch, Role::kWrite, Role::kTrain, Role::kAdmin};

bool IsName(absl::string_view name) {
  return !name.empty() && name.size() <= kMaxNameLength &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_';
         });
}

bool FromHex(absl::string_view text, size_t bytes, std::string* out) {
  if (text.size() != 2 * bytes || !std::all_of(text.begin(), text.end(), [](char c) {
        return absl::ascii_isxdigit(static_cast<unsigned char>(c));
      })) {
    return false;
  }
  *out = absl::HexStringToBytes(text);
  return true;
}

absl::Status CheckName(absl::string_view name) {
  if (IsName(name) && name != "anonymous") return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "'", absl::CHexEscape(name), "' is no name of a key: 1 to ", kMaxNameLength,
      " letters, digits, - and _, and not anonymous, which stands for callers without a key"));
}

absl::StatusOr<KeyEntry> ParseBareKey(absl::string_view line, const TextFile& file) {
  if (!std::all_of(line.begin(), line.end(),
                   [](char c) { return absl::ascii_isgraph(static_cast<unsigned char>(c)); })) {
    return file.Wrong("a key is printable ASCII without spaces, one key a line");
  }
  if (line.size() < kMinBareLength) {
    return file.Wrong(absl::StrCat("a key of ", line.size(),
                                   " characters can be guessed; at least ", kMinBareLength,
                                   " are needed"));
  }
  KeyEntry entry;
  entry.name = absl::StrCat("line:", file.line());
  entry.roles = kAllRoles;
  entry.digest = DigestOfKey("", line);
  return entry;
}

absl::StatusOr<KeyEntry> ParseNamedKey(const std::vector<absl::string_view>& words,
                                       const TextFile& file) {
  if (words.size() != 3) {
    return file.Wrong("expected NAME ROLE[,ROLE] sha256:SALT:DIGEST, or one key without spaces");
  }
  KeyEntry entry;
  entry.name = std::string(words[0]);
  // The messages quote nothing: a word at the wrong place may be a key.
  if (!CheckName(entry.name).ok()) {
    return file.Wrong("the first word is no name of letters, digits, - and _");
  }
  const auto roles = Roles::Parse(words[1]);
  if (!roles.ok()) {
    return file.Wrong(absl::StrCat("the second word is not some of the roles ",
                                   kAllRoles.ToString(), ", separated by commas"));
  }
  entry.roles = *roles;
  absl::string_view hash = words[2];
  const bool has_prefix = absl::ConsumePrefix(&hash, kHashPrefix);
  const std::vector<absl::string_view> parts = absl::StrSplit(hash, ':');
  std::string digest;
  if (!has_prefix || parts.size() != 2 || !FromHex(parts[0], kSaltBytes, &entry.salt) ||
      !FromHex(parts[1], entry.digest.size(), &digest)) {
    return file.Wrong("the hash is not sha256:SALT:DIGEST with 32 and 64 hexadecimal digits");
  }
  std::copy(digest.begin(), digest.end(), entry.digest.begin());
  return entry;
}

absl::StatusOr<std::string> RandomBytes(size_t count) {
  std::string bytes(count, '\0');
  if (RAND_bytes(reinterpret_cast<unsigned char*>(&bytes[0]), static_cast<int>(count)) != 1) {
    return absl::InternalError("the system gives no random numbers");
  }
  return bytes;
}

// The text of a file that holds secrets.
absl::StatusOr<std::string> ReadSecret(const std::string& path) {
  auto text = ReadTextFile(path, kMaxFileBytes);
  if (!text.ok()) {
    return absl::Status(text.status().code(),
                        absl::StrCat("cannot read the API keys in ", text.status().message()));
  }
  struct stat attributes = {};
  if (stat(path.c_str(), &attributes) != 0 || (attributes.st_mode & (S_IROTH | S_IWOTH)) != 0) {
    return absl::PermissionDeniedError(absl::StrCat(
        path, " is open to every user of this machine, so its API keys are no secret: chmod 600"));
  }
  return text;
}

std::string FolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// The key file while it is changed: holds a lock on its folder, so that no other change is lost.
class OpenKeyFile {
 public:
  OpenKeyFile() = default;
  OpenKeyFile(const OpenKeyFile&) = delete;
  OpenKeyFile& operator=(const OpenKeyFile&) = delete;
  ~OpenKeyFile() {
    if (folder_ >= 0) close(folder_);
  }

  // Reads the file; one that is missing is empty.
  absl::Status Open(const std::string& path) {
    path_ = Resolve(path);
    folder_ = open(FolderOf(path_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder_ < 0) return absl::ErrnoToStatus(errno, absl::StrCat(FolderOf(path_), ": open"));
    while (flock(folder_, LOCK_EX) != 0) {
      if (errno != EINTR) return absl::ErrnoToStatus(errno, absl::StrCat(path_, ": lock"));
    }
    auto text = ReadSecret(path_);
    if (absl::IsNotFound(text.status())) return absl::OkStatus();
    if (!text.ok()) return text.status();
    text_ = *std::move(text);
    exists_ = stat(path_.c_str(), &attributes_) == 0;
    if (!text_.empty() && text_.back() != '\n') text_.push_back('\n');
    S2P_ASSIGN_OR_RETURN(entries_, ParseKeyFile(text_, path_));
    return absl::OkStatus();
  }

  const std::string& text() const { return text_; }
  const std::vector<KeyEntry>& entries() const { return entries_; }
  const KeyEntry* Find(absl::string_view name) const {
    for (const KeyEntry& entry : entries_) {
      if (entry.name == name) return &entry;
    }
    return nullptr;
  }

  absl::Status Replace(absl::string_view text) const {
    const std::string temporary = path_ + ".tmp";
    // Left behind by a crash: the lock says that nobody is writing it.
    unlink(temporary.c_str());
    const int file = open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0) return absl::ErrnoToStatus(errno, absl::StrCat(temporary, ": create"));
    absl::Status status = Fill(file, text);
    close(file);
    if (status.ok() && rename(temporary.c_str(), path_.c_str()) != 0) {
      status = absl::ErrnoToStatus(errno, absl::StrCat(path_, ": replace"));
    }
    if (!status.ok()) {
      unlink(temporary.c_str());
      return status;
    }
    if (fsync(folder_) != 0) return absl::ErrnoToStatus(errno, absl::StrCat(path_, ": sync"));
    return absl::OkStatus();
  }

 private:
  // A link stays a link: the file that it names is replaced.
  static std::string Resolve(const std::string& path) {
    char* const real = realpath(path.c_str(), nullptr);
    if (real == nullptr) return path;
    std::string resolved = real;
    free(real);
    return resolved;
  }

  absl::Status Fill(int file, absl::string_view text) const {
    const auto failed = [this](absl::string_view what) {
      return absl::ErrnoToStatus(errno, absl::StrCat(path_, ": ", what));
    };
    // The owner first: a change of owner may clear bits of the mode.
    if (exists_ && fchown(file, attributes_.st_uid, attributes_.st_gid) != 0) {
      return failed("cannot keep its owner and group");
    }
    if (exists_ && fchmod(file, attributes_.st_mode & 07777) != 0) return failed("set mode");
    while (!text.empty()) {
      const ssize_t written = write(file, text.data(), text.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return failed("write");
      text.remove_prefix(static_cast<size_t>(written));
    }
    return fsync(file) == 0 ? absl::OkStatus() : failed("sync");
  }

  std::string path_;
  int folder_ = -1;
  bool exists_ = false;
  struct stat attributes_ = {};
  std::string text_;
  std::vector<KeyEntry> entries_;
};

}  // namespace

absl::StatusOr<Roles> Roles::Parse(absl::string_view text) {
  Roles roles;
  for (const absl::string_view word : absl::StrSplit(text, ',')) {
    const auto* found = std::find_if(std::begin(kRoleNames), std::end(kRoleNames),
                                     [word](const auto& role) { return role.second == word; });
    if (found == std::end(kRoleNames)) {
      return absl::InvalidArgumentError(
          absl::StrCat("'", absl::CHexEscape(word), "' is no role: expected some of ",
                       kAllRoles.ToString(), ", separated by commas"));
    }
    roles.bits_ |= static_cast<unsigned>(found->first);
  }
  return roles;
}

std::string Roles::ToString() const {
  std::vector<absl::string_view> names;
  for (const auto& [role, name] : kRoleNames) {
    if ((bits_ & static_cast<unsigned>(role)) != 0) names.emplace_back(name);
  }
  return absl::StrJoin(names, ",");
}

KeyDigest DigestOfKey(absl::string_view salt, absl::string_view key) {
  const std::string text = absl::StrCat(salt, key);
  KeyDigest digest;
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  return digest;
}

absl::string_view NameInKey(absl::string_view key) {
  if (!absl::ConsumePrefix(&key, kKeyPrefix)) return "";
  const size_t dot = key.find('.');
  return dot == absl::string_view::npos ? "" : key.substr(0, dot);
}

absl::StatusOr<std::vector<KeyEntry>> ParseKeyFile(absl::string_view contents,
                                                   const std::string& path) {
  S2P_ASSIGN_OR_RETURN(auto file, TextFile::Parse(contents, path));
  std::vector<KeyEntry> entries;
  std::set<std::string> names;
  absl::string_view line;
  while (file.NextFilled(&line)) {
    if (line.front() == '#') continue;
    const std::vector<absl::string_view> words =
        absl::StrSplit(line, absl::ByAnyChar(" \t"), absl::SkipEmpty());
    auto entry = words.size() == 1 ? ParseBareKey(line, file) : ParseNamedKey(words, file);
    if (!entry.ok()) return entry.status();
    entry->line = file.line();
    if (!names.insert(entry->name).second) {
      return file.Wrong(absl::StrCat("the name ", entry->name, " is used twice"));
    }
    entries.push_back(*std::move(entry));
    if (entries.size() > kMostKeys) {
      return file.Wrong(absl::StrCat("is more than the ", kMostKeys, " keys that a file may hold"));
    }
  }
  return entries;
}

absl::StatusOr<std::vector<KeyEntry>> ReadKeyFile(const std::string& path) {
  S2P_ASSIGN_OR_RETURN(const auto text, ReadSecret(path));
  return ParseKeyFile(text, path);
}

absl::StatusOr<std::string> AddKey(const std::string& path, const std::string& name, Roles roles) {
  S2P_RETURN_IF_ERROR(CheckName(name));
  if (roles.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("a key needs a role: some of ", kAllRoles.ToString()));
  }
  OpenKeyFile file;
  S2P_RETURN_IF_ERROR(file.Open(path));
  if (file.Find(name) != nullptr) {
    return absl::AlreadyExistsError(absl::StrCat(path, " has a key ", name, " already"));
  }
  if (file.entries().size() == kMostKeys) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, " holds ", kMostKeys, " keys, the most that a file may hold"));
  }
  S2P_ASSIGN_OR_RETURN(const auto secret, RandomBytes(kSecretBytes));
  S2P_ASSIGN_OR_RETURN(const auto salt, RandomBytes(kSaltBytes));
  std::string key = absl::StrCat(kKeyPrefix, name, ".", absl::BytesToHexString(secret));
  const KeyDigest digest = DigestOfKey(salt, key);
  const absl::string_view digest_bytes(reinterpret_cast<const char*>(digest.data()), digest.size());
  S2P_RETURN_IF_ERROR(file.Replace(absl::StrCat(file.text(), name, " ", roles.ToString(), " ",
                                                kHashPrefix, absl::BytesToHexString(salt), ":",
                                                absl::BytesToHexString(digest_bytes), "\n")));
  return key;
}

absl::Status RevokeKey(const std::string& path, const std::string& name) {
  OpenKeyFile file;
  S2P_RETURN_IF_ERROR(file.Open(path));
  const KeyEntry* const entry = file.Find(name);
  if (entry == nullptr) {
    return absl::NotFoundError(
        absl::StrCat(path, " has no key ", absl::CHexEscape(name), ": s2p keys list names them"));
  }
  if (file.entries().size() == 1) {
    return absl::FailedPreconditionError(
        absl::StrCat(name, " is the only key in ", path,
                     ", and servers keep their keys rather than read a file without any: make "
                     "another key first"));
  }
  std::vector<absl::string_view> lines = absl::StrSplit(file.text(), '\n');
  lines.erase(lines.begin() + (entry->line - 1));
  return file.Replace(absl::StrJoin(lines, "\n"));
}

absl::StatusOr<std::string> ReadClientKey(const std::string& path) {
  S2P_ASSIGN_OR_RETURN(const auto text, ReadSecret(path));
  const absl::string_view line =
      absl::StripAsciiWhitespace(absl::string_view(text).substr(0, text.find('\n')));
  if (line.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": holds no key in its first line"));
  }
  return std::string(line);
}

}  // namespace s2p
