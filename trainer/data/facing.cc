#include "trainer/data/facing.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "trainer/data/random.h"

namespace s2p {
namespace {

constexpr int kCells = 16;

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

// One of each of `count` equal ranges of the numbers below `all`. At random, because photos often
// take turns, as left and right or front and side, and every second one would be all of a kind.
std::vector<int> Chosen(int all, int count) {
  Random random(1);
  std::vector<int> chosen;
  for (int64_t i = 0; i < count; ++i) {
    const auto begin = static_cast<int>(all * i / count);
    const auto end = static_cast<int>(all * (i + 1) / count);
    chosen.push_back(begin + random.Index(end - begin));
  }
  return chosen;
}

}  // namespace

std::optional<double> MirroredShare(const std::vector<int>& identities,
                                    absl::FunctionRef<Image(int)> photo) {
  const auto all = static_cast<int>(identities.size());
  if (all < kFewestToTellFacing) return std::nullopt;
  struct Photo {
    int identity;
    Cells cells;
    Cells mirrored;
    // Squared distances to the nearest other photo, as it is and mirrored.
    float nearest = std::numeric_limits<float>::max();
    float nearest_of_mirrored = std::numeric_limits<float>::max();
  };
  std::vector<Photo> photos;
  const int count = std::min(all, kMostToTellFacing);
  for (const int index : Chosen(all, count)) {
    const Cells cells = CellsOf(photo(index));
    photos.push_back({identities[static_cast<size_t>(index)], cells, Mirrored(cells)});
  }
  for (size_t i = 0; i < photos.size(); ++i) {
    Photo& a = photos[i];
    for (size_t j = i + 1; j < photos.size(); ++j) {
      Photo& b = photos[j];
      if (a.identity == b.identity) continue;
      const float distance = SquaredDistance(a.cells, b.cells);
      // Mirroring one is as good as mirroring the other.
      const float of_mirrored = SquaredDistance(a.mirrored, b.cells);
      for (Photo* one : {&a, &b}) {
        one->nearest = std::min(one->nearest, distance);
        one->nearest_of_mirrored = std::min(one->nearest_of_mirrored, of_mirrored);
      }
    }
  }
  const auto closer = std::count_if(photos.begin(), photos.end(), [](const Photo& one) {
    return one.nearest_of_mirrored < one.nearest;
  });
  return static_cast<double>(closer) / count;
}

}  // namespace s2p
