#include "trainer/data/elastic_field.h"

#include <algorithm>

#include "trainer/data/random.h"

namespace s2p {

ElasticField::ElasticField(uint64_t seed, double largest_x, double largest_y, int width, int height)
    : step_x_(static_cast<double>(kCells) / width), step_y_(static_cast<double>(kCells) / height) {
  Random random(seed);
  for (auto& node : nodes_) {
    node[0] = random.Uniform(-1, 1) * largest_x;
    node[1] = random.Uniform(-1, 1) * largest_y;
  }
  columns_.reserve(static_cast<size_t>(width));
  for (int x = 0; x < width; ++x) columns_.push_back(PlaceOf((x + 0.5) * step_x_));
}

void ElasticField::BeginRow(int y) { row_ = RowAt(PlaceOf((y + 0.5) * step_y_)); }

std::array<double, 2> ElasticField::At(int x) const {
  return Sum(row_, columns_[static_cast<size_t>(x)]);
}

std::array<double, 2> ElasticField::AtPoint(double x, double y) const {
  const auto inside = [](double position) { return std::clamp(position, 0.0, double{kCells}); };
  return Sum(RowAt(PlaceOf(inside(y * step_y_))), PlaceOf(inside(x * step_x_)));
}

ElasticField::Place ElasticField::PlaceOf(double position) {
  const int cell = std::min(static_cast<int>(position), kCells - 1);
  const double t = position - cell;
  const double u = 1 - t;
  return {cell,
          {u * u * u / 6, (3 * t * t * t - 6 * t * t + 4) / 6,
           (-3 * t * t * t + 3 * t * t + 3 * t + 1) / 6, t * t * t / 6}};
}

ElasticField::Row ElasticField::RowAt(const Place& place) const {
  const auto& [row, down] = place;
  Row sums{};
  for (int column = 0; column < kNodes; ++column) {
    auto& sum = sums[static_cast<size_t>(column)];
    for (int j = 0; j < 4; ++j) {
      const auto& node = nodes_[static_cast<size_t>((row + j) * kNodes + column)];
      sum[0] += down[static_cast<size_t>(j)] * node[0];
      sum[1] += down[static_cast<size_t>(j)] * node[1];
    }
  }
  return sums;
}

std::array<double, 2> ElasticField::Sum(const Row& row, const Place& place) {
  const auto& [column, across] = place;
  std::array<double, 2> sum{};
  for (int i = 0; i < 4; ++i) {
    const auto& node = row[static_cast<size_t>(column + i)];
    sum[0] += across[static_cast<size_t>(i)] * node[0];
    sum[1] += across[static_cast<size_t>(i)] * node[1];
  }
  return sum;
}

}  // namespace s2p
