// A golden safetensors file as torch tensors.
#ifndef S2P_TESTS_TRAINER_GOLDEN_TENSORS_H_
#define S2P_TESTS_TRAINER_GOLDEN_TENSORS_H_

#include <gtest/gtest.h>
#include <torch/types.h>

#include <filesystem>
#include <string>

#include "model/safetensors.h"
#include "model/torch_tensors.h"
#include "tests/testing/golden.h"
#include "tests/testing/golden_report.h"
#include "tests/testing/status_matchers.h"

namespace s2p::test {

class GoldenTensors {
 public:
  // `path` is a result of GoldenPath.
  explicit GoldenTensors(const std::string& path)
      : file_(std::filesystem::path(path).filename().string()) {
    auto read = ReadSafetensors(path);
    EXPECT_THAT(read, IsOk());
    if (read.ok()) tensors_ = *std::move(read);
  }

  // As stored: float32, float64 or int64.
  torch::Tensor operator[](const std::string& name) const {
    const auto found = tensors_.find(name);
    EXPECT_NE(found, tensors_.end()) << name;
    return found == tensors_.end() ? torch::zeros({1}) : ToTorch(found->second);
  }
  bool Has(const std::string& name) const { return tensors_.count(name) > 0; }
  // In float64, a leaf whose gradient is wanted.
  torch::Tensor Leaf(const std::string& name) const {
    return (*this)[name].to(torch::kFloat64).set_requires_grad(true);
  }

  // The largest difference from `name`, relative to its largest value, is at most `tolerance`.
  void ExpectNear(const torch::Tensor& got, const std::string& name, double tolerance) const {
    const torch::Tensor want = (*this)[name].to(torch::kFloat64);
    ASSERT_EQ(got.numel(), want.numel()) << name;
    const double scale = std::max(1e-12, want.abs().max().item<double>());
    const double difference =
        (got.detach().to(torch::kFloat64).reshape(want.sizes()) - want).abs().max().item<double>();
    RecordGolden(file_, name, difference / scale, tolerance);
    EXPECT_LE(difference / scale, tolerance) << name;
  }
  // The same for an absolute tolerance.
  void ExpectWithin(const torch::Tensor& got, const std::string& name, double tolerance) const {
    const torch::Tensor want = (*this)[name].to(torch::kFloat64);
    ASSERT_EQ(got.numel(), want.numel()) << name;
    const double difference =
        (got.detach().to(torch::kFloat64).reshape(want.sizes()) - want).abs().max().item<double>();
    RecordGolden(file_, name, difference, tolerance);
    EXPECT_LE(difference, tolerance) << name;
  }

 private:
  const std::string file_;
  TensorMap tensors_;
};

}  // namespace s2p::test

#endif  // S2P_TESTS_TRAINER_GOLDEN_TENSORS_H_
