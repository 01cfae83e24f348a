// Measures what bringing a drawing to the canvas's look takes (image/ground.h): strokes on white,
// on paper in half a shadow, and on a ruled sheet on a table. The argument is the picture's longer
// side: 1024 is what a photograph of 12 megapixels has after decoding at reduced size, 4000 is the
// photograph itself. `median_ms` is the median.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <vector>

#include "image/ground.h"
#include "tests/benchmarks/timing.h"
#include "tests/image/drawing_samples.h"

namespace s2p {
namespace {

using test::Changed;
using test::Drawing;
using test::Median;
using test::SecondsOf;

// A drawing in the middle of a sheet of side x 3/4 side pixels.
Image Sheet(int side) {
  const int height = side * 3 / 4;
  const Image drawing = Drawing(height);
  Image sheet(side, height);
  for (int y = 0; y < height; ++y) {
    std::copy_n(drawing.row(y), height * Image::kChannels,
                sheet.row(y) + (side - height) / 2 * Image::kChannels);
  }
  return sheet;
}

void Measure(benchmark::State& state, const Image& image) {
  std::vector<double> seconds;
  for (auto _ : state) {
    seconds.push_back(
        SecondsOf([&] { benchmark::DoNotOptimize(FitToMeasuredInk(image).width()); }));
  }
  state.counters["median_ms"] = Median(seconds) * 1e3;
}

void BM_White(benchmark::State& state) { Measure(state, Sheet(static_cast<int>(state.range(0)))); }
BENCHMARK(BM_White)->Arg(512)->Arg(1024)->Arg(4000)->Unit(benchmark::kMillisecond);

void BM_Shadow(benchmark::State& state) {
  const int side = static_cast<int>(state.range(0));
  Measure(state, Changed(Sheet(side), [&](int x, int y, double value) {
            return value * (x + y / 3 < side / 2 ? 0.5 : 0.9);
          }));
}
BENCHMARK(BM_Shadow)->Arg(512)->Arg(1024)->Arg(4000)->Unit(benchmark::kMillisecond);

void BM_RuledSheetOnATable(benchmark::State& state) {
  const int side = static_cast<int>(state.range(0));
  Measure(state, Changed(Sheet(side), [&](int x, int y, double value) {
            const bool on_sheet = x > side / 12 + y / 20 && x < side * 11 / 12 - y / 30 &&
                                  y > side / 16 + x / 40 && y < side * 11 / 16 - x / 60;
            if (!on_sheet) return 50.0;
            return value * (y % (side / 30) < side / 400 ? 0.6 : 0.85);
          }));
}
BENCHMARK(BM_RuledSheetOnATable)->Arg(512)->Arg(1024)->Arg(4000)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace s2p

BENCHMARK_MAIN();
