// s2p keys: the API keys that servers accept.
#include "absl/strings/str_cat.h"
#include "base/key_file.h"
#include "base/status_macros.h"
#include "client/commands/commands.h"

namespace s2p {

absl::Status RunKeysNew(const KeyOptions& options, std::ostream& out) {
  S2P_ASSIGN_OR_RETURN(const Roles roles, Roles::Parse(options.roles));
  S2P_ASSIGN_OR_RETURN(const auto key, AddKey(options.file, options.name, roles));
  out << key << '\n';
  return absl::OkStatus();
}

absl::Status RunKeysList(const KeyOptions& options, std::ostream& out) {
  S2P_ASSIGN_OR_RETURN(const auto entries, ReadKeyFile(options.file));
  for (const KeyEntry& entry : entries) {
    out << entry.name << '\t' << entry.roles.ToString()
        << (entry.is_bare() ? "\tbare key\n" : "\n");
  }
  return absl::OkStatus();
}

absl::Status RunKeysRevoke(const KeyOptions& options, std::ostream& out) {
  S2P_RETURN_IF_ERROR(RevokeKey(options.file, options.name));
  out << "revoked " << options.name << '\n';
  return absl::OkStatus();
}

}  // namespace s2p
