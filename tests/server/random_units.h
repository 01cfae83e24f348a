// Unit vectors for tests.
#ifndef S2P_TESTS_SERVER_RANDOM_UNITS_H_
#define S2P_TESTS_SERVER_RANDOM_UNITS_H_

#include <cstdint>
#include <random>

#include "model/embedding.h"

namespace s2p::test {

// Evenly spread over the sphere.
inline EmbeddingMatrix RandomUnits(int rows, int dimension, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  EmbeddingMatrix matrix(rows, dimension);
  for (int i = 0; i < rows; ++i) {
    for (float& value : matrix.row(i)) value = normal(random);
    NormalizeL2(matrix.row(i));
  }
  return matrix;
}

// Vectors in `clusters` clusters, like embeddings. The clusters' positions depend only on `seed`.
inline EmbeddingMatrix ClusteredUnits(int rows, int dimension, int clusters, uint32_t seed,
                                      uint32_t row_seed = 0) {
  const EmbeddingMatrix centres = RandomUnits(clusters, dimension, seed);
  EmbeddingMatrix matrix = RandomUnits(rows, dimension, seed + 1 + row_seed);
  for (int i = 0; i < rows; ++i) {
    const auto centre = centres.row(i % clusters);
    const auto row = matrix.row(i);
    for (size_t k = 0; k < row.size(); ++k) row[k] = centre[k] + 0.7f * row[k];
    NormalizeL2(row);
  }
  return matrix;
}

}  // namespace s2p::test

#endif  // S2P_TESTS_SERVER_RANDOM_UNITS_H_
