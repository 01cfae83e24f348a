#include "trainer/optimization/losses.h"

#include <torch/nn/functional/loss.h>

#include <cmath>
#include <limits>

#include "base/check.h"

namespace s2p {
namespace {

namespace F = torch::nn::functional;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// [m, d], [n, d] -> [m, n].
torch::Tensor SquaredDistances(const torch::Tensor& a, const torch::Tensor& b) {
  return a.pow(2).sum(1, /*keepdim=*/true) + b.pow(2).sum(1).unsqueeze(0) -
         2 * torch::matmul(a, b.t());
}

// Mean over anchors of the hinge of the hardest positive and negative. distances [m, n], same
// [m, n] bool.
torch::Tensor BatchHard(const torch::Tensor& distances, const torch::Tensor& same, double margin) {
  const auto farthest_positive =
      std::get<0>(distances.masked_fill(same.logical_not(), -kInfinity).max(1));
  const auto nearest_negative = std::get<0>(distances.masked_fill(same, kInfinity).min(1));
  return torch::relu(farthest_positive - nearest_negative + margin).mean();
}

// Sum of the binary cross-entropies where the target is not NaN. Both [n, a].
torch::Tensor SumOverKnown(const torch::Tensor& logits, const torch::Tensor& targets) {
  const auto known = targets.isnan().logical_not();
  const auto losses = F::binary_cross_entropy_with_logits(
      logits, torch::where(known, targets, torch::zeros_like(targets)),
      F::BinaryCrossEntropyWithLogitsFuncOptions().reduction(torch::kNone));
  return (losses * known.to(losses.scalar_type())).sum();
}

}  // namespace

torch::Tensor IdentityLoss(const torch::Tensor& logits, const torch::Tensor& labels,
                           double smoothing) {
  return F::cross_entropy(logits, labels, F::CrossEntropyFuncOptions().label_smoothing(smoothing));
}

torch::Tensor TripletLoss(const torch::Tensor& features, const torch::Tensor& labels,
                          double margin) {
  const auto distances = SquaredDistances(features, features).clamp_min(1e-12).sqrt();
  return BatchHard(distances, labels.unsqueeze(1) == labels.unsqueeze(0), margin);
}

torch::Tensor CrossModalTripletLoss(const torch::Tensor& sketches,
                                    const torch::Tensor& sketch_labels, const torch::Tensor& photos,
                                    const torch::Tensor& photo_labels, double margin) {
  return BatchHard(SquaredDistances(sketches, photos),
                   sketch_labels.unsqueeze(1) == photo_labels.unsqueeze(0), margin);
}

torch::Tensor paper::AttributeLoss(const torch::Tensor& logits, const torch::Tensor& targets) {
  return SumOverKnown(logits, targets) / logits.size(0);
}

torch::Tensor release::AttributeLoss(const torch::Tensor& logits, const torch::Tensor& targets) {
  return SumOverKnown(logits, targets) / targets.isnan().logical_not().sum().clamp_min(1);
}

torch::Tensor paper::AttributeEntropyLoss(const torch::Tensor& logits) {
  const auto n = static_cast<double>(logits.size(0));
  return -(torch::sigmoid(logits) * F::logsigmoid(logits)).sum() / n;
}

torch::Tensor release::AttributeEntropyLoss(const torch::Tensor& logits) {
  const auto p = torch::sigmoid(logits);
  const auto n = static_cast<double>(logits.size(0));
  // One attribute has no entropy to share: log2 1 = 0.
  const double scale = std::log2(static_cast<double>(std::max<int64_t>(2, logits.size(1))));
  return -(p * torch::log2(p + 1e-6)).sum() / (n * scale);
}

torch::Tensor paper::ConsistencyLoss(const torch::Tensor& photo_logits,
                                     const torch::Tensor& sketch_logits) {
  const auto difference = torch::sigmoid(photo_logits) - torch::sigmoid(sketch_logits);
  // The root's slope at 0 is infinite; below 1e-12 the pair agrees and has none.
  return difference.pow(2).sum(1).clamp_min(1e-24).sqrt().mean();
}

torch::Tensor release::ConsistencyLoss(const torch::Tensor& photo_logits,
                                       const torch::Tensor& sketch_logits) {
  return (torch::sigmoid(photo_logits) - torch::sigmoid(sketch_logits)).pow(2).mean();
}

torch::Tensor paper::DomainLoss(const torch::Tensor& logits, const torch::Tensor& domains) {
  const auto losses =
      F::cross_entropy(logits, domains, F::CrossEntropyFuncOptions().reduction(torch::kNone));
  torch::Tensor sum = torch::zeros({}, losses.options());
  for (int64_t domain = 0; domain < logits.size(1); ++domain) {
    const auto mask = (domains == domain).to(losses.scalar_type());
    sum = sum + (losses * mask).sum() / mask.sum().clamp_min(1);
  }
  return sum;
}

torch::Tensor release::DomainLoss(const torch::Tensor& logits, const torch::Tensor& domains) {
  return -F::cross_entropy(torch::softmax(logits, 1), domains);
}

torch::Tensor ContrastiveLoss(const torch::Tensor& sketches, const torch::Tensor& photos,
                              double temperature) {
  S2P_CHECK(sketches.size(0) == photos.size(0));
  const auto logits = torch::matmul(sketches, photos.t()) / temperature;
  const auto labels =
      torch::arange(logits.size(0), torch::TensorOptions(torch::kLong).device(logits.device()));
  return (F::cross_entropy(logits, labels) + F::cross_entropy(logits.t(), labels)) / 2;
}

torch::Tensor PhotoNeighbourLoss(const torch::Tensor& sketches, const torch::Tensor& photos,
                                 const torch::Tensor& triplets, double margin) {
  S2P_CHECK(triplets.size(0) > 0);
  const auto distances = SquaredDistances(sketches, photos).clamp_min(1e-12).sqrt().flatten();
  const auto places = triplets.select(1, 0) * photos.size(0);
  const auto to_nearer = distances.index_select(0, places + triplets.select(1, 1));
  const auto to_farther = distances.index_select(0, places + triplets.select(1, 2));
  return torch::relu(to_nearer - to_farther + margin).mean();
}

}  // namespace s2p
