// The SHA-256 digest, as 64 lower-case hex digits.
#ifndef S2P_MODEL_SHA256_H_
#define S2P_MODEL_SHA256_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace s2p {

std::string Sha256(absl::string_view bytes);
// The digest of the pieces as if they were joined.
std::string Sha256(absl::Span<const absl::string_view> pieces);
// Reads the file piece by piece; errors as InputFile's.
absl::StatusOr<std::string> Sha256OfFile(const std::string& path);

}  // namespace s2p

#endif  // S2P_MODEL_SHA256_H_
