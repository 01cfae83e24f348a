#include "trainer/ihda/projection_init.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "model/torch_version.h"
#include "trainer/evaluation/image_batch.h"
#include "trainer/ihda/pair_whitening.h"

namespace s2p {
namespace {

constexpr int kBatch = 64;
// Chosen on QMUL-Shoes (docs/lab/qmul_shoes_folds.md): half or twice as much differs little.
constexpr double kShrinkage = 1;
// Principal components that the directions are chosen among, as a multiple of their number.
constexpr int64_t kWider = 2;
// Components with a smaller share of the largest one's variance are rounding: float32 features,
// whose products are summed in double.
constexpr double kLeastVariance = 1e-10;
// Images of each modality that are looked at: enough for a few hundred components. Beyond 2,895 of
// both the eigenvalue routine is called with too small a workspace, whose size (2 n^2 + 6 n + 1)
// LAPACK returns as a float32.
constexpr int kMostImages = 1440;

struct Features {
  // [n, pooled], float64 on the CPU, less `mean` [pooled].
  torch::Tensor centred, mean;
  std::vector<int> labels;
};

Features FeaturesOf(const LabelledImages& labelled, v1::Modality modality, DualEncoder& encoder,
                    torch::Device device) {
  const PreparedImages& images = *labelled.images;
  std::vector<torch::Tensor> parts;
  const int count = std::min(images.size(), kMostImages);
  for (int begin = 0; begin < count; begin += kBatch) {
    const int end = std::min(begin + kBatch, count);
    const torch::Tensor batch = NormalizedBatch(images, begin, end).to(device);
    parts.push_back(encoder.Pooled(batch, modality).to(torch::kCPU, torch::kFloat64));
  }
  Features features;
  features.centred = torch::cat(parts);
  parts.clear();
  features.mean = features.centred.mean(0);
  features.centred.sub_(features.mean);
  features.labels.assign(labelled.labels.begin(), labelled.labels.begin() + count);
  return features;
}

// The `most` largest principal components of the rows of `centred` [n, d], or as many as they have:
// [k, d], orthonormal rows.
torch::Tensor PrincipalComponents(const torch::Tensor& centred, int64_t most) {
  // Decompose the n x n matrix of inner products where that is the smaller one.
  const bool by_rows = centred.size(0) < centred.size(1);
  const torch::Tensor products =
      by_rows ? torch::matmul(centred, centred.t()) : torch::matmul(centred.t(), centred);
  const auto [values, vectors] = torch::linalg_eigh(products, "L");
  const double least = kLeastVariance * values.max().item<double>();
  const int64_t count = std::min(most, (values > least).sum().item<int64_t>());
  const torch::Tensor largest = vectors.flip(1).narrow(1, 0, count).t();
  if (!by_rows) return largest;
  const torch::Tensor lengths = values.flip(0).narrow(0, 0, count).sqrt().unsqueeze(1);
  return torch::matmul(largest, centred) / lengths;
}

// The `most` directions [k, pooled] in which photos differ most from each other, measured by how
// much a sketch differs from its photo there.
torch::Tensor DiscriminantAxes(const Features& photos, const Features& sketches, int64_t most) {
  const torch::Tensor components =
      PrincipalComponents(torch::cat({photos.centred, sketches.centred}), kWider * most);
  if (components.size(0) == 0) return components;
  const torch::Tensor photos_on = torch::matmul(photos.centred, components.t());
  const torch::Tensor sketches_on = torch::matmul(sketches.centred, components.t());
  const torch::Tensor whitening = PairWhitening(
      PairDifferences(photos_on, photos.labels, sketches_on, sketches.labels), kShrinkage);
  const torch::Tensor whitened = torch::matmul(torch::cat({photos_on, sketches_on}), whitening);
  const torch::Tensor axes =
      torch::matmul(torch::matmul(PrincipalComponents(whitened, most), whitening), components);
  // As large as the largest principal components alone would be.
  const double scale =
      (photos_on.narrow(1, 0, axes.size(0)).norm() / torch::matmul(photos.centred, axes.t()).norm())
          .item<double>();
  return std::isfinite(scale) && scale > 0 ? axes * scale : axes;
}

void SetProjection(const Features& photos, const Features& sketches, DualEncoder& encoder) {
  auto parameters = encoder.named_parameters();
  torch::Tensor weight = parameters["projection.weight"];
  const torch::Tensor axes = DiscriminantAxes(photos, sketches, weight.size(0));
  if (axes.size(0) == 0) return;
  weight.narrow(0, 0, axes.size(0)).copy_(axes);
  const torch::Tensor on_cpu = weight.to(torch::kCPU, torch::kFloat64);
  parameters["projection.photo_bias"].copy_(-torch::mv(on_cpu, photos.mean));
  parameters["projection.sketch_bias"].copy_(-torch::mv(on_cpu, sketches.mean));
}

}  // namespace

absl::Status InitializeProjection(const LabelledImages& photos, const LabelledImages& sketches,
                                  DualEncoder& encoder) {
  if (!encoder.named_parameters().contains("projection.weight")) return absl::OkStatus();
  const bool was_training = encoder.is_training();
  try {
    torch::NoGradGuard no_grad;
    encoder.eval();
    const torch::Device device = encoder.parameters()[0].device();
    SetProjection(FeaturesOf(photos, v1::MODALITY_PHOTO, encoder, device),
                  FeaturesOf(sketches, v1::MODALITY_SKETCH, encoder, device), encoder);
    encoder.train(was_training);
    return absl::OkStatus();
  } catch (const std::exception& error) {
    return TorchError(error, "projection");
  }
}

}  // namespace s2p
