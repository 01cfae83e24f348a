#include "trainer/facing.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <vector>

namespace s2p {
namespace {

constexpr int kCells = 16;
constexpr int kFewest = 8;
constexpr int kMost = 1000;

// Row by row.
using Cells = std::array<float, kCells * kCells>;

Cells CellsOf(const Image& image) {
  Cells cells{};
  for (int row = 0; row < kCells; ++row) {
    const int top = row * image.height() / kCells;
    const int bottom = (row + 1) * image.height() / kCells;
    for (int column = 0; column < kCells; ++column) {
      const int left = column * image.width() / kCells;
      const int right = (column + 1) * image.width() / kCells;
      int64_t sum = 0;
      for (int y = top; y < bottom; ++y) {
        const uint8_t* pixel = image.row(y) + static_cast<size_t>(left) * Image::kChannels;
        for (int i = 0; i < (right - left) * Image::kChannels; ++i) sum += pixel[i];
      }
      cells[static_cast<size_t>(row * kCells + column)] =
          static_cast<float>(sum) /
          static_cast<float>((bottom - top) * (right - left) * Image::kChannels);
    }
  }
  return cells;
}

Cells Mirrored(const Cells& cells) {
  Cells mirrored = cells;
  for (size_t row = 0; row < kCells; ++row) {
    std::reverse(mirrored.begin() + row * kCells, mirrored.begin() + (row + 1) * kCells);
  }
  return mirrored;
}

float SquaredDistance(const Cells& a, const Cells& b) {
  float sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return sum;
}

}  // namespace

double MirroredShare(int count, absl::FunctionRef<const Image&(int)> photo) {
  if (count < kFewest) return 0;
  const int looked_at = std::min(count, kMost);
  std::vector<Cells> cells;
  for (int i = 0; i < looked_at; ++i) {
    cells.push_back(CellsOf(photo(static_cast<int>(int64_t{count} * i / looked_at))));
  }
  int mirrored = 0;
  for (size_t i = 0; i < cells.size(); ++i) {
    const Cells mirror = Mirrored(cells[i]);
    float nearest = std::numeric_limits<float>::max();
    float nearest_of_mirror = nearest;
    for (size_t j = 0; j < cells.size(); ++j) {
      if (j == i) continue;
      nearest = std::min(nearest, SquaredDistance(cells[i], cells[j]));
      nearest_of_mirror = std::min(nearest_of_mirror, SquaredDistance(mirror, cells[j]));
    }
    if (nearest_of_mirror < nearest) ++mirrored;
  }
  return static_cast<double>(mirrored) / looked_at;
}

}  // namespace s2p
