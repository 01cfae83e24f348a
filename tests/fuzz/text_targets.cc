#include "base/check.h"
#include "daemon/toml.h"
#include "rpc/api_keys.h"
#include "tests/fuzz/targets.h"

namespace s2p::fuzz {

void Toml(absl::string_view bytes) {
  const auto entries = ParseToml(bytes, "options.toml");
  if (!entries.ok()) return;
  for (const TomlEntry& entry : *entries) {
    S2P_CHECK(!entry.key.empty() && entry.line >= 1);
    S2P_CHECK(entry.is_array || entry.values.size() == 1);
  }
}

void ApiKeys(absl::string_view bytes) {
  const auto keys = s2p::ApiKeys::Parse(bytes, "keys");
  if (!keys.ok()) return;
  S2P_CHECK(keys->size() >= 1);
  S2P_CHECK(!keys->Authorize("").ok());
  static_cast<void>(keys->Authorize(bytes));
}

}  // namespace s2p::fuzz
