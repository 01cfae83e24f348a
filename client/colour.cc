#include "client/colour.h"

#include <unistd.h>

#include <cstdlib>
#include <iostream>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace s2p {
namespace {

// Parameters of ECMA-48's "select graphic rendition".
constexpr int kRed = 31, kGreen = 32, kYellow = 33;

std::string Paint(absl::string_view text, int code) {
  return absl::StrCat("\033[", code, "m", text, "\033[0m");
}

}  // namespace

bool WantsColour(const std::ostream& out) {
  const char* const no_colour = std::getenv("NO_COLOR");
  if (no_colour != nullptr && *no_colour != '\0') return false;
  if (&out == &std::cout) return isatty(STDOUT_FILENO) == 1;
  return &out == &std::cerr && isatty(STDERR_FILENO) == 1;
}

std::string Red(absl::string_view text) { return Paint(text, kRed); }

std::string PaintState(absl::string_view state) {
  const std::string name = absl::AsciiStrToLower(state);
  if (name == "serving" || name == "succeeded") return Paint(state, kGreen);
  if (name == "failed") return Paint(state, kRed);
  for (const char* under_way : {"running", "paused", "loading", "warming", "embedding"}) {
    if (name == under_way) return Paint(state, kYellow);
  }
  return std::string(state);
}

}  // namespace s2p
