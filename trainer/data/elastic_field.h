// A smooth random displacement of a picture.
#ifndef S2P_TRAINER_DATA_ELASTIC_FIELD_H_
#define S2P_TRAINER_DATA_ELASTIC_FIELD_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace s2p {

// A uniform cubic B-spline over a coarse grid of random nodes: it never exceeds the largest
// displacement of a node, and with less than a twentieth of the side in both directions nothing
// folds over. A function of its arguments. Thread-compatible.
class ElasticField {
 public:
  // Nodes are displaced by up to `largest_x` and `largest_y` pixels of a picture of this size.
  ElasticField(uint64_t seed, double largest_x, double largest_y, int width, int height);

  // Chooses the row that At reads: the spline is a product, and what it is along y is the same for
  // a whole row of pixels.
  void BeginRow(int y);
  // Displacement (x, y) in pixels of the middle of a pixel of that row. Requires 0 <= x < width.
  std::array<double, 2> At(int x) const;
  // The same of any point; outside the picture that of the nearest point inside.
  std::array<double, 2> AtPoint(double x, double y) const;

 private:
  static constexpr int kCells = 5;
  static constexpr int kNodes = kCells + 3;
  // A cell, and the weights of the four nodes around it.
  using Place = std::pair<int, std::array<double, 4>>;
  using Row = std::array<std::array<double, 2>, kNodes>;

  static Place PlaceOf(double position);
  Row RowAt(const Place& place) const;
  static std::array<double, 2> Sum(const Row& row, const Place& place);

  const double step_x_;
  const double step_y_;
  std::array<std::array<double, 2>, kNodes * kNodes> nodes_;
  std::vector<Place> columns_;
  Row row_{};
};

}  // namespace s2p

#endif  // S2P_TRAINER_DATA_ELASTIC_FIELD_H_
