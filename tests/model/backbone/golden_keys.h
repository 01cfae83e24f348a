// Lists of the keys of published weights.
#ifndef S2P_TESTS_MODEL_BACKBONE_GOLDEN_KEYS_H_
#define S2P_TESTS_MODEL_BACKBONE_GOLDEN_KEYS_H_

#include <gtest/gtest.h>
#include <torch/types.h>

#include <cmath>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_join.h"
#include "model/torch_tensors.h"

namespace s2p::test {

// One line of a list of keys: name, type, shape as "64x3x7x7" or "scalar", sum when filled by the
// rule.
struct Key {
  std::string name;
  std::string type;
  std::string shape;
  double sum = 0;
};

// The place of each key in the list.
inline std::map<std::string, int64_t> ReadRows(const std::string& path) {
  std::map<std::string, int64_t> rows;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    const int64_t row = static_cast<int64_t>(rows.size());
    rows[line.substr(0, line.find('\t'))] = row;
  }
  return rows;
}

inline std::vector<Key> ReadKeys(const std::string& path) {
  std::vector<Key> keys;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    std::istringstream fields(line);
    Key key;
    fields >> key.name >> key.type >> key.shape >> key.sum;
    EXPECT_FALSE(fields.fail()) << line;
    // A backbone has neither a classifier nor what training alone needs.
    const bool used = !absl::StartsWith(key.name, "fc.") && key.name != "mask_token" &&
                      !absl::StartsWith(key.name, "head");
    if (used) keys.push_back(key);
  }
  return keys;
}

// Expects the tensors, filled by the golden rule under these names, to be those of the list.
inline void ExpectKeys(const std::string& path,
                       const std::map<std::string, torch::Tensor>& tensors) {
  const std::vector<Key> keys = ReadKeys(path);
  EXPECT_EQ(tensors.size(), keys.size());
  for (const Key& key : keys) {
    const auto tensor = tensors.find(key.name);
    ASSERT_NE(tensor, tensors.end()) << key.name;
    const std::string shape = absl::StrJoin(tensor->second.sizes().vec(), "x");
    EXPECT_EQ(shape.empty() ? "scalar" : shape, key.shape) << key.name;
    EXPECT_EQ(std::string(NameOf(ToTensorBytes(tensor->second).type)), key.type) << key.name;
    // The list has 12 digits.
    EXPECT_NEAR(tensor->second.to(torch::kFloat64).sum().item<double>(), key.sum,
                1e-9 + 5e-12 * std::abs(key.sum))
        << key.name;
  }
}

}  // namespace s2p::test

#endif  // S2P_TESTS_MODEL_BACKBONE_GOLDEN_KEYS_H_
