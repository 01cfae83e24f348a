#include "trainer/optimization/gradient_reversal.h"

#include <torch/autograd.h>

namespace s2p {
namespace {

class Reversal : public torch::autograd::Function<Reversal> {
 public:
  static torch::Tensor forward(torch::autograd::AutogradContext* context, const torch::Tensor& x,
                               double coefficient) {
    context->saved_data["coefficient"] = coefficient;
    return x.view_as(x);
  }
  static torch::autograd::tensor_list backward(torch::autograd::AutogradContext* context,
                                               const torch::autograd::tensor_list& gradients) {
    const double coefficient = context->saved_data["coefficient"].toDouble();
    return {gradients[0] * -coefficient, torch::Tensor()};
  }
};

}  // namespace

torch::Tensor ReverseGradient(const torch::Tensor& x, double coefficient) {
  return Reversal::apply(x, coefficient);
}

}  // namespace s2p
