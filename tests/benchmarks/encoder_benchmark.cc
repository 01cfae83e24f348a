// Measures the speedup of the serving encoder over the networks as trained: forward passes of
// ResNet-18 to its third stage on 96 x 96 pixels, with the plain module and with the folded one in
// each memory layout. They take turns, so that other load on the machine affects all alike.
// `speedup` is the plain module's time divided by this one's. Then the same network in float32 and
// in bfloat16, each in its fastest layout, also in turn: there `speedup` is float32's time divided
// by bfloat16's. One thread. Times are the thread's own, which time that others take does not
// lengthen.
#include <ATen/Parallel.h>
#include <benchmark/benchmark.h>
#include <torch/types.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "model/backbone/backbone.h"
#include "model/backbone/frozen_backbone.h"
#include "model/precision.h"
#include "tests/benchmarks/timing.h"

namespace s2p {
namespace {

using test::Median;
using test::ThreadSecondsOf;

constexpr int kPixels = 96;

std::shared_ptr<Backbone> ServedBackbone() {
  v1::Backbone spec;
  spec.set_arch("resnet18");
  spec.set_last_stage(3);
  auto backbone = CreateBackbone(spec);
  S2P_CHECK(backbone.ok());
  (*backbone)->eval();
  return *backbone;
}

void FoldedForward(benchmark::State& state, TensorLayout layout) {
  const auto plain = ServedBackbone();
  if (!plain->Supports(layout, torch::kCPU)) {
    state.SkipWithError("this LibTorch does not have the layout");
    return;
  }
  FrozenOptions options;
  options.layout = layout;
  const auto frozen = plain->Freeze(options);
  const c10::InferenceMode inference;
  const torch::Tensor images = torch::randn({state.range(0), 3, kPixels, kPixels});
  std::vector<double> plain_seconds, frozen_seconds;
  plain->Forward(images);
  frozen->Forward(images, /*want_before_last=*/false);
  for (auto _ : state) {
    plain_seconds.push_back(ThreadSecondsOf([&] { plain->Forward(images); }));
    frozen_seconds.push_back(
        ThreadSecondsOf([&] { frozen->Forward(images, /*want_before_last=*/false); }));
    state.SetIterationTime(frozen_seconds.back());
  }
  state.counters["plain_ms"] = Median(plain_seconds) * 1e3;
  state.counters["folded_ms"] = Median(frozen_seconds) * 1e3;
  state.counters["speedup"] = Median(plain_seconds) / Median(frozen_seconds);
}

void FoldedForwardWith(const char* name, TensorLayout layout) {
  benchmark::RegisterBenchmark(name,
                               [layout](benchmark::State& state) { FoldedForward(state, layout); })
      ->ArgName("images")
      ->Arg(1)
      ->Arg(8)
      ->Arg(32)
      ->Iterations(15)
      ->UseManualTime()
      ->Unit(benchmark::kMillisecond);
}

void ReducedForward(benchmark::State& state) {
  if (!CpuHasBf16()) {
    state.SkipWithError("this CPU has no AVX512-BF16, or this LibTorch no oneDNN");
    return;
  }
  const auto plain = ServedBackbone();
  FrozenOptions options;
  options.height = options.width = kPixels;
  std::vector<std::unique_ptr<const FrozenBackbone>> networks;
  std::string layouts;
  for (const torch::ScalarType type : {torch::kFloat32, torch::kBFloat16}) {
    options.type = type;
    const auto layout = ChooseLayout(*plain, "auto", options);
    S2P_CHECK(layout.ok());
    options.layout = *layout;
    networks.push_back(plain->Freeze(options));
    absl::StrAppend(&layouts, layouts.empty() ? "fp32 " : ", bf16 ", NameOf(*layout));
  }
  const c10::InferenceMode inference;
  const torch::Tensor images = torch::randn({state.range(0), 3, kPixels, kPixels});
  std::vector<double> seconds[2];
  for (const auto& network : networks) network->Forward(images, /*want_before_last=*/false);
  for (auto _ : state) {
    for (int i = 0; i < 2; ++i) {
      seconds[i].push_back(
          ThreadSecondsOf([&] { networks[i]->Forward(images, /*want_before_last=*/false); }));
    }
    state.SetIterationTime(seconds[1].back());
  }
  const double per_image = 1e3 / static_cast<double>(state.range(0));
  state.counters["fp32_ms_an_image"] = Median(seconds[0]) * per_image;
  state.counters["bf16_ms_an_image"] = Median(seconds[1]) * per_image;
  state.counters["speedup"] = Median(seconds[0]) / Median(seconds[1]);
  state.SetLabel(layouts);
}

}  // namespace
}  // namespace s2p

int main(int argc, char** argv) {
  s2p::FoldedForwardWith("folded/contiguous", s2p::TensorLayout::kContiguous);
  s2p::FoldedForwardWith("folded/channels_last", s2p::TensorLayout::kChannelsLast);
  s2p::FoldedForwardWith("folded/onednn", s2p::TensorLayout::kOneDnn);
  benchmark::RegisterBenchmark("precision/bf16", s2p::ReducedForward)
      ->ArgName("images")
      ->Arg(1)
      ->Arg(8)
      ->Arg(32)
      ->Iterations(15)
      ->UseManualTime()
      ->Unit(benchmark::kMillisecond);
  // All work is on this thread.
  at::set_num_threads(1);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
