#include "trainer/optimization/weight_average.h"

#include <utility>

#include "base/check.h"
#include "model/torch_tensors.h"

namespace s2p {

void WeightAverage::Add(const TensorMap& weights) {
  S2P_CHECK(count_ == 0 || weights.size() == sum_.size());
  for (const auto& [name, tensor] : weights) {
    const bool first = count_ == 0;
    if (first || tensor.type != TensorType::kF32) {
      sum_[name] = tensor;
    } else {
      sum_[name] = ToTensorBytes(ToTorch(sum_.at(name)) + ToTorch(tensor));
    }
  }
  ++count_;
}

TensorMap WeightAverage::Mean(const TensorMap& start, double share) const {
  S2P_CHECK(count_ > 0 && start.size() == sum_.size());
  TensorMap mean;
  for (const auto& [name, tensor] : sum_) {
    mean[name] = tensor;
    if (tensor.type != TensorType::kF32) continue;
    mean[name] =
        ToTensorBytes(ToTorch(tensor) * ((1 - share) / count_) + ToTorch(start.at(name)) * share);
  }
  return mean;
}

WeightAverage WeightAverage::FromSum(TensorMap sum, int count) {
  WeightAverage average;
  average.sum_ = std::move(sum);
  average.count_ = count;
  return average;
}

}  // namespace s2p
