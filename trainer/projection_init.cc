#include "trainer/projection_init.h"

#include <algorithm>
#include <vector>

#include "model/torch_version.h"
#include "trainer/image_batch.h"

namespace s2p {
namespace {

constexpr int kBatch = 64;
// Images of each modality that are looked at: enough for a few hundred components. Beyond 2,895 of
// both the eigenvalue routine is called with too small a workspace, whose size (2 n^2 + 6 n + 1)
// LAPACK tells as a float32.
constexpr int kMostImages = 1440;

// [n, pooled] on the CPU.
torch::Tensor PooledFeatures(const PreparedImages& images, v1::Modality modality,
                             DualEncoder& encoder, torch::Device device) {
  std::vector<torch::Tensor> parts;
  const int count = std::min(images.size(), kMostImages);
  for (int begin = 0; begin < count; begin += kBatch) {
    const int end = std::min(begin + kBatch, count);
    const torch::Tensor batch = NormalizedBatch(images, begin, end).to(device);
    parts.push_back(encoder.Pooled(batch, modality).to(torch::kCPU));
  }
  return torch::cat(parts);
}

void SetProjection(const torch::Tensor& photos, const torch::Tensor& sketches,
                   DualEncoder& encoder) {
  auto parameters = encoder.named_parameters();
  torch::Tensor weight = parameters["projection.weight"];
  const torch::Tensor photo_mean = photos.mean(0), sketch_mean = sketches.mean(0);
  const torch::Tensor centred = torch::cat({photos - photo_mean, sketches - sketch_mean});
  // Of the n x n matrix of inner products: n is smaller than the length of the features.
  const auto [values, vectors] = torch::linalg_eigh(torch::matmul(centred, centred.t()), "L");
  const int64_t components = std::min({weight.size(0), centred.size(0) - 2, centred.size(1)});
  if (components < 1) return;
  const torch::Tensor largest = vectors.flip(1).narrow(1, 0, components);
  const torch::Tensor lengths =
      values.flip(0).narrow(0, 0, components).clamp_min(1e-12).sqrt().unsqueeze(1);
  const torch::Tensor axes = torch::matmul(largest.t(), centred) / lengths;
  weight.narrow(0, 0, components).copy_(axes);
  const torch::Tensor on_cpu = weight.to(torch::kCPU);
  parameters["projection.photo_bias"].copy_(-torch::mv(on_cpu, photo_mean));
  parameters["projection.sketch_bias"].copy_(-torch::mv(on_cpu, sketch_mean));
}

}  // namespace

absl::Status InitializeProjection(const PreparedImages& photos, const PreparedImages& sketches,
                                  DualEncoder& encoder) {
  if (!encoder.named_parameters().contains("projection.weight")) return absl::OkStatus();
  const bool was_training = encoder.is_training();
  try {
    torch::NoGradGuard no_grad;
    encoder.eval();
    const torch::Device device = encoder.parameters()[0].device();
    SetProjection(PooledFeatures(photos, v1::MODALITY_PHOTO, encoder, device),
                  PooledFeatures(sketches, v1::MODALITY_SKETCH, encoder, device), encoder);
    encoder.train(was_training);
    return absl::OkStatus();
  } catch (const std::exception& error) {
    return TorchError(error, "principal components");
  }
}

}  // namespace s2p
