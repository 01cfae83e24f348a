// Fills networks by the golden rule, and compares their outputs with golden files.
#ifndef S2P_TESTS_MODEL_GOLDEN_WEIGHTS_H_
#define S2P_TESTS_MODEL_GOLDEN_WEIGHTS_H_

#include <gtest/gtest.h>
#include <torch/nn/module.h>
#include <torch/types.h>
#include <torch/utils.h>

#include <map>
#include <string>
#include <vector>

#include "model/safetensors.h"
#include "model/torch_tensors.h"
#include "tests/testing/golden_report.h"
#include "tests/testing/golden_rule.h"

namespace s2p::test {

// The rule's values for an entry of this name, shape and type.
inline torch::Tensor GoldenTensor(const std::string& name, const torch::Tensor& like) {
  TensorBytes tensor = ToTensorBytes(like);
  FillByGoldenRule(name, tensor);
  return ToTorch(tensor);
}

// Fills a module under its own names.
inline void FillModule(const torch::nn::Module& module) {
  torch::NoGradGuard no_grad;
  for (auto& [name, tensor] : NamedTensors(module)) tensor.copy_(GoldenTensor(name, tensor));
}

// The input of a name and shape, float32.
inline torch::Tensor GoldenInputTensor(const std::string& name, const std::vector<int64_t>& shape) {
  int64_t count = 1;
  for (int64_t size : shape) count *= size;
  const std::vector<float> values = GoldenInput(name, static_cast<size_t>(count));
  return torch::tensor(values).reshape(shape);
}

// Expects max |got - want| <= relative * max |want| + absolute, over the whole tensor.
// `golden_file`, if any, is the source of `want`.
inline void ExpectClose(const torch::Tensor& got, const torch::Tensor& want, double relative,
                        double absolute, const std::string& what,
                        const std::string& golden_file = "") {
  ASSERT_EQ(got.sizes(), want.sizes()) << what;
  const torch::Tensor exact = want.to(torch::kFloat64);
  const double difference = (got.to(torch::kFloat64) - exact).abs().max().item<double>();
  const double scale = exact.abs().max().item<double>();
  if (!golden_file.empty()) {
    RecordGolden(golden_file, what, difference / scale, relative + absolute / scale);
  }
  EXPECT_LE(difference, relative * scale + absolute) << what;
}

}  // namespace s2p::test

#endif  // S2P_TESTS_MODEL_GOLDEN_WEIGHTS_H_
