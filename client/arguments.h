// Parses command-line arguments into messages of the API.
#ifndef S2P_CLIENT_ARGUMENTS_H_
#define S2P_CLIENT_ARGUMENTS_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "s2p/v1/search.pb.h"

namespace s2p {

// "key=value"; the value may be empty and may hold further "=". InvalidArgument naming `flag` if
// the form is wrong or CheckText fails.
absl::StatusOr<std::pair<std::string, std::string>> ParsePair(absl::string_view text,
                                                              absl::string_view flag);

// "boots:0.5..1", "boots:0.5.." or "boots:..0.2". InvalidArgument naming the flag if the form is
// wrong or CheckText refuses the name.
absl::StatusOr<v1::AttributeRange> ParseAttributeRange(absl::string_view text);

// Builds a filter from the values of --filter and --attribute.
absl::StatusOr<v1::Filter> ParseFilter(const std::vector<std::string>& metadata,
                                       const std::vector<std::string>& attributes);

// "#c0392b", or "c0392b": a shell takes what follows an unquoted "#" for a comment.
// InvalidArgument naming `flag` if the form is wrong.
absl::StatusOr<v1::Color> ParseColor(absl::string_view text, absl::string_view flag);

}  // namespace s2p

#endif  // S2P_CLIENT_ARGUMENTS_H_
