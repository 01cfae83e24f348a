// Names compared as people read them, however a file system encodes them (Unicode Standard Annex
// 15).
#ifndef S2P_TRAINER_IMPORT_CANONICAL_NAME_H_
#define S2P_TRAINER_IMPORT_CANONICAL_NAME_H_

#include <string>

#include "absl/strings/string_view.h"

namespace s2p {

// The functions below are thread-safe.

// The name in Unicode's form NFC: equal for two names if and only if they have the same characters,
// whether an accent is part of its letter (Windows, Linux) or stored apart from it (macOS). A name
// that is not UTF-8 is returned as it is.
std::string CanonicalName(absl::string_view name);

// Equal for names that people take for the same: without regard to case, to accents and to the
// marks of kana, however they are encoded. `name` is UTF-8.
std::string LookOf(absl::string_view name);

}  // namespace s2p

#endif  // S2P_TRAINER_IMPORT_CANONICAL_NAME_H_
