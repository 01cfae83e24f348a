#include "model/backbone/frozen_backbone.h"

#include <torch/cuda.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/steady_time.h"
#include "model/backbone/backbone.h"

namespace s2p {
namespace {

// The batch sizes with which layouts are timed.
constexpr int kMeasuredBatches[] = {1, 4};
constexpr int kMeasuredPasses = 3;

constexpr std::array<std::pair<TensorLayout, absl::string_view>, 3> kLayoutNames = {{
    {TensorLayout::kContiguous, "contiguous"},
    {TensorLayout::kChannelsLast, "channels_last"},
    {TensorLayout::kOneDnn, "onednn"},
}};

// Blocks until the device has finished the work submitted to it.
void WaitFor(torch::Device device) {
  if (device.is_cuda()) torch::cuda::synchronize(device.index());
}

absl::Duration TimeOf(const FrozenBackbone& backbone, const torch::Tensor& images) {
  absl::Duration best = absl::InfiniteDuration();
  // The first pass is a warm-up.
  for (int pass = 0; pass <= kMeasuredPasses; ++pass) {
    const SteadyTime start = SteadyTime::Now();
    backbone.Forward(images, /*want_before_last=*/false);
    WaitFor(images.device());
    if (pass > 0) best = std::min(best, SteadyTime::Now() - start);
  }
  return best;
}

std::vector<TensorLayout> SupportedLayouts(const Backbone& network, torch::Device device) {
  std::vector<TensorLayout> supported;
  for (const auto& [layout, name] : kLayoutNames) {
    if (network.Supports(layout, device)) supported.push_back(layout);
  }
  return supported;
}

// Seconds per image, over the batch sizes.
absl::Duration TimeOf(const Backbone& network, const FrozenOptions& options) {
  const auto frozen = network.Freeze(options);
  absl::Duration sum;
  for (int count : kMeasuredBatches) {
    const auto images = torch::zeros({count, 3, options.height, options.width}, options.device);
    sum += TimeOf(*frozen, images) / count;
  }
  return sum;
}

}  // namespace

absl::string_view NameOf(TensorLayout layout) {
  for (const auto& [known, name] : kLayoutNames) {
    if (known == layout) return name;
  }
  return "";
}

std::optional<TensorLayout> LayoutOf(absl::string_view name) {
  for (const auto& [layout, known] : kLayoutNames) {
    if (known == name) return layout;
  }
  return std::nullopt;
}

absl::StatusOr<TensorLayout> ChooseLayout(const Backbone& network, const std::string& name,
                                          FrozenOptions options) {
  if (name != "auto") {
    const std::optional<TensorLayout> layout = LayoutOf(name);
    if (!layout) {
      return absl::InvalidArgumentError(absl::StrCat(
          "layout: '", name, "' is neither auto, contiguous, channels_last nor onednn"));
    }
    if (network.Supports(*layout, options.device)) return *layout;
    return absl::InvalidArgumentError(absl::StrCat("layout: '", name,
                                                   "' is not available for this network on ",
                                                   options.device.str(), "; use auto"));
  }
  const std::vector<TensorLayout> supported = SupportedLayouts(network, options.device);
  TensorLayout fastest = supported.at(0);
  if (supported.size() == 1) return fastest;
  const c10::InferenceMode inference;
  absl::Duration least = absl::InfiniteDuration();
  for (const TensorLayout layout : supported) {
    options.layout = layout;
    const absl::Duration time = TimeOf(network, options);
    if (time >= least) continue;
    least = time;
    fastest = layout;
  }
  return fastest;
}

}  // namespace s2p
