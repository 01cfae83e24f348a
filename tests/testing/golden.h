// Finds the golden files: inputs, and outputs of an independent implementation.
#ifndef S2P_TESTS_TESTING_GOLDEN_H_
#define S2P_TESTS_TESTING_GOLDEN_H_

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

namespace s2p::test {

// The path of the golden file `name`: in tests/data/golden, else in the folder in the environment
// variable S2P_GOLDEN_DIR, else in shared/golden of the project. Empty if it is in none of them.
// Requires the definition S2P_SOURCE_DIR, which s2p_test() gives.
inline std::string GoldenPath(const std::string& name) {
  namespace fs = std::filesystem;
  const fs::path source(S2P_SOURCE_DIR);
  const fs::path committed = source / "tests/data/golden" / name;
  if (fs::exists(committed)) return committed.string();
  const char* folder = std::getenv("S2P_GOLDEN_DIR");
  const fs::path shared =
      (folder != nullptr ? fs::path(folder) : source.parent_path() / "shared/golden") / name;
  return fs::exists(shared) ? shared.string() : std::string();
}

// The same for other files in shared/, such as "data/qmul_shoes_v1".
inline std::string SharedPath(const std::string& name) {
  namespace fs = std::filesystem;
  const fs::path path = fs::path(S2P_SOURCE_DIR).parent_path() / "shared" / name;
  return fs::exists(path) ? path.string() : std::string();
}

}  // namespace s2p::test

// Declares `variable`, the path of the golden file `name`; skips the test, with the reason, if the
// file is missing. For the body of a TEST only, because it returns.
#define S2P_GOLDEN_OR_SKIP(variable, name)                                            \
  const std::string variable = ::s2p::test::GoldenPath(name);                         \
  if (variable.empty()) {                                                             \
    GTEST_SKIP() << "golden file " << (name)                                          \
                 << " is missing: set S2P_GOLDEN_DIR to the folder that contains it"; \
  }                                                                                   \
  static_assert(true, "")

#endif  // S2P_TESTS_TESTING_GOLDEN_H_
