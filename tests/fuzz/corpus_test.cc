// Replays the corpora: inputs that once showed a fault, and seeds of the fuzzers.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "tests/fuzz/targets.h"

namespace s2p::fuzz {
namespace {

namespace fs = std::filesystem;

struct Target {
  const char* name;
  void (*read)(absl::string_view);
};

const Target kTargets[] = {
#define S2P_TARGET(name) {#name, &name},
#include "tests/fuzz/target_names.inc"
#undef S2P_TARGET
};

std::vector<fs::path> FilesIn(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  return files;
}

std::string Read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

class FuzzCorpusTest : public testing::TestWithParam<Target> {};
INSTANTIATE_TEST_SUITE_P(Targets, FuzzCorpusTest, testing::ValuesIn(kTargets),
                         [](const auto& target) { return std::string(target.param.name); });

TEST_P(FuzzCorpusTest, EveryInputIsReadOrRefused) {
  const fs::path source(S2P_SOURCE_DIR);
  auto inputs = FilesIn(source / "tests/fuzz/corpus" / GetParam().name);
  ASSERT_FALSE(inputs.empty());
  if (GetParam().read == &Image) {
    for (const fs::path& path : FilesIn(source / "tests/data/images")) inputs.push_back(path);
  }
  for (const fs::path& path : inputs) {
    SCOPED_TRACE(path);
    const std::string bytes = Read(path);
    GetParam().read(bytes);
    // Readers meet their input cut off more often than in any other way.
    GetParam().read(absl::string_view(bytes).substr(0, bytes.size() / 2));
  }
}

}  // namespace
}  // namespace s2p::fuzz
