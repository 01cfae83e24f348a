#include "trainer/optimization/loss_sum.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "base/check.h"

namespace s2p {

void LossSum::Add(const char* name, double weight, const torch::Tensor& value) {
  if (weight == 0) return;
  for (Term& term : terms_) {
    if (term.name != name) continue;
    S2P_CHECK(term.weight == weight);
    term.value = term.value + value;
    return;
  }
  terms_.push_back({name, weight, value});
}

torch::Tensor LossSum::Total() const {
  S2P_CHECK(!terms_.empty());
  torch::Tensor total = terms_[0].weight * terms_[0].value;
  for (size_t i = 1; i < terms_.size(); ++i) total = total + terms_[i].weight * terms_[i].value;
  return total;
}

absl::Status LossSum::Read(std::vector<std::pair<std::string, double>>& values) const {
  // All in one copy: a GPU finishes what it is at before each.
  std::vector<torch::Tensor> scalars;
  for (const Term& term : terms_) scalars.push_back(term.value.detach().to(torch::kFloat64));
  if (scalars.empty()) scalars.push_back(torch::zeros({}, torch::kFloat64));
  const torch::Tensor on_cpu = torch::stack(scalars).cpu();
  double total = 0;
  if (!values.empty()) {
    total = values.back().second;
    values.pop_back();
  }
  for (size_t i = 0; i < terms_.size(); ++i) {
    const Term& term = terms_[i];
    const double value = on_cpu.data_ptr<double>()[i];
    if (!std::isfinite(value)) {
      return absl::InvalidArgumentError(
          absl::StrCat("the loss term \"", term.name, "\" became ", value,
                       ": lower the learning rate or set gradient_clip"));
    }
    values.emplace_back(term.name, value);
    total += term.weight * value;
  }
  values.emplace_back("total", total);
  return absl::OkStatus();
}

void LossMeans::Add(const std::string& name, double value) {
  Mean* mean = nullptr;
  for (Mean& candidate : means_) {
    if (candidate.name == name) mean = &candidate;
  }
  if (mean == nullptr) mean = &means_.emplace_back(Mean{name});
  mean->sum += value;
  ++mean->count;
}

void LossMeans::Add(const v1::TrainingProgress& progress) {
  for (const v1::LossTerm& term : progress.losses()) Add(term.name(), term.value());
}

void LossMeans::TakeInto(v1::TrainingProgress& progress) {
  progress.clear_losses();
  for (const Mean& mean : means_) {
    v1::LossTerm& term = *progress.add_losses();
    term.set_name(mean.name);
    term.set_value(mean.sum / mean.count);
  }
  means_.clear();
}

}  // namespace s2p
