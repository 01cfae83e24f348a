// Records the error of each comparison with a golden file.
#ifndef S2P_TESTS_TESTING_GOLDEN_REPORT_H_
#define S2P_TESTS_TESTING_GOLDEN_REPORT_H_

#include <cstdlib>
#include <fstream>
#include <string>

namespace s2p::test {

// Appends "FILE<tab>TENSOR<tab>ERROR<tab>TOLERANCE" to the file that the environment variable
// S2P_GOLDEN_REPORT names, if any: tools/golden_table.py turns it into a table. `error` and
// `tolerance` are in the same unit.
inline void RecordGolden(const std::string& file, const std::string& tensor, double error,
                         double tolerance) {
  const char* path = std::getenv("S2P_GOLDEN_REPORT");
  if (path == nullptr) return;
  std::ofstream(path, std::ios::app)
      << file << '\t' << tensor << '\t' << error << '\t' << tolerance << '\n';
}

}  // namespace s2p::test

#endif  // S2P_TESTS_TESTING_GOLDEN_REPORT_H_
