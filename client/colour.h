// Terminal colours.
#ifndef S2P_CLIENT_COLOUR_H_
#define S2P_CLIENT_COLOUR_H_

#include <ostream>
#include <string>

#include "absl/strings/string_view.h"

namespace s2p {

// Whether `out` is standard output or standard error, a terminal, and NO_COLOR is not set in the
// environment (no-color.org).
bool WantsColour(const std::ostream& out);

// `text` between the codes that turn red on and off.
std::string Red(absl::string_view text);

// The same for the state of a version or a job, as named by its enum or in a table: green is good,
// red has failed, yellow is in progress. Other states are returned unchanged.
std::string PaintState(absl::string_view state);

}  // namespace s2p

#endif  // S2P_CLIENT_COLOUR_H_
