// Measures what a process of its own adds to the decoding of an image: both ways take turns, so
// that other load on the machine affects both. `in_process_us` and `process_us` are medians.
#include <benchmark/benchmark.h>

#include <memory>
#include <string>
#include <vector>

#include "base/check.h"
#include "image/image.h"
#include "server/decoder/decoder_pool.h"
#include "tests/benchmarks/timing.h"

namespace s2p {
namespace {

using test::Median;
using test::SecondsOf;

// Black strokes on white, as people send them.
Image Sketch(int side) {
  Image image(side, side);
  for (int i = side / 8; i < side - side / 8; ++i) {
    for (int x = 0; x < 3 * Image::kChannels; ++x) {
      image.row(i)[side / 2 * Image::kChannels + x] = 0;
      image.row(i)[i * Image::kChannels + x] = 0;
    }
  }
  return image;
}

void Compare(benchmark::State& state, const std::string& bytes) {
  DecoderPoolOptions options;
  options.process.program = S2P_DECODER;
  options.process.memory_bytes = DecoderMemory(ImageLimits());
  const auto pool = DecoderPool::Create(options);
  S2P_CHECK(pool.ok());
  InProcessDecoder in_process;
  const auto seconds = [&bytes](ImageDecoder& decoder) {
    return SecondsOf([&] { S2P_CHECK(decoder.Decode(bytes, ImageLimits(), CallLife()).ok()); });
  };
  std::vector<double> here, there;
  for (auto _ : state) {
    here.push_back(seconds(in_process));
    there.push_back(seconds(**pool));
  }
  state.counters["in_process_us"] = Median(here) * 1e6;
  state.counters["process_us"] = Median(there) * 1e6;
}

void BM_Sketch(benchmark::State& state) {
  Compare(state, *EncodePng(Sketch(static_cast<int>(state.range(0)))));
}
BENCHMARK(BM_Sketch)->Arg(256)->Arg(800)->Unit(benchmark::kMicrosecond);

void BM_Photo(benchmark::State& state) {
  Compare(state, *EncodeJpeg(Sketch(static_cast<int>(state.range(0)))));
}
BENCHMARK(BM_Photo)->Arg(800)->Arg(3500)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace s2p

BENCHMARK_MAIN();
