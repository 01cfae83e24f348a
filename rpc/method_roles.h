// Which roles open which method.
#ifndef S2P_RPC_METHOD_ROLES_H_
#define S2P_RPC_METHOD_ROLES_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/key_file.h"

namespace s2p {

// A row of the table. A plain value.
struct MethodRule {
  // "/s2p.v1.SearchService/Search". The last words of all paths differ.
  absl::string_view path;
  // Each of them opens the method.
  Roles roles;
  // It changes what others see, so the audit log has it.
  bool is_change = false;

  // "Search".
  absl::string_view name() const { return path.substr(path.rfind('/') + 1); }
};

// All methods of our services; a test compares them with the proto files. Health and reflection are
// not among them, as they need no key.
absl::Span<const MethodRule> MethodRules();

// The row of a method, by its path or the last word of it. A method that the table lacks is a
// change that kAdmin alone may make.
const MethodRule& RuleOf(absl::string_view method);

// PermissionDenied, naming method and missing role, unless `held` opens the method.
absl::Status CheckRoles(absl::string_view method, Roles held);

}  // namespace s2p

#endif  // S2P_RPC_METHOD_ROLES_H_
