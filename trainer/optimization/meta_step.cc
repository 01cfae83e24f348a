#include "trainer/optimization/meta_step.h"

#include <torch/optim/adam.h>
#include <torch/optim/adamw.h>
#include <torch/types.h>
#include <torch/utils.h>

#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/check.h"

namespace s2p {
namespace {

using torch::optim::OptimizerParamState;
// Its keys differ between LibTorch's versions.
using OptimizerState = std::decay_t<decltype(std::declval<torch::optim::Optimizer&>().state())>;

// The states' own copies share their tensors.
template <typename State>
std::unique_ptr<OptimizerParamState> DeepCopy(const State& state) {
  auto copy = std::make_unique<State>(state);
  copy->exp_avg(state.exp_avg().clone());
  copy->exp_avg_sq(state.exp_avg_sq().clone());
  if (state.max_exp_avg_sq().defined()) copy->max_exp_avg_sq(state.max_exp_avg_sq().clone());
  return copy;
}

OptimizerState CopyOf(const OptimizerState& states) {
  OptimizerState copies;
  for (const auto& [key, state] : states) {
    if (const auto* adam = dynamic_cast<const torch::optim::AdamParamState*>(state.get())) {
      copies[key] = DeepCopy(*adam);
      continue;
    }
    const auto* adamw = dynamic_cast<const torch::optim::AdamWParamState*>(state.get());
    S2P_CHECK(adamw != nullptr);
    copies[key] = DeepCopy(*adamw);
  }
  return copies;
}

// A parameter that learns, with its value and gradient before the step.
struct Before {
  torch::Tensor parameter, value, gradient;
};

std::vector<Before> BeforeStep(const torch::optim::Optimizer& optimizer) {
  std::vector<Before> all;
  for (const auto& group : optimizer.param_groups()) {
    for (const torch::Tensor& parameter : group.params()) {
      all.push_back({parameter, parameter.detach().clone(), parameter.grad()});
    }
  }
  return all;
}

// Puts the value back, and adds the gradient to the present one.
void Return(const Before& before) {
  before.parameter.detach().copy_(before.value);
  if (!before.gradient.defined()) return;
  torch::Tensor& gradient = before.parameter.mutable_grad();
  gradient = gradient.defined() ? before.gradient + gradient : before.gradient;
}

}  // namespace

absl::Status AddMetaGradient(torch::optim::Optimizer& optimizer, const std::function<void()>& step,
                             const std::function<absl::Status()>& backward) {
  const std::vector<Before> all = BeforeStep(optimizer);
  OptimizerState state = CopyOf(optimizer.state());
  for (const Before& before : all) {
    if (before.gradient.defined()) {
      before.parameter.mutable_grad() = before.gradient.clone();
    }
  }
  step();
  for (const Before& before : all) before.parameter.mutable_grad() = torch::Tensor();
  absl::Status status = backward();
  torch::NoGradGuard no_grad;
  optimizer.state() = std::move(state);
  for (const Before& before : all) Return(before);
  return status;
}

}  // namespace s2p
