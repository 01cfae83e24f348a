#include "trainer/evaluation/attribute_accuracy.h"

#include <cmath>

#include "base/check.h"

namespace s2p {

std::vector<AttributeAccuracy> AttributeAccuracies(const EmbeddingMatrix& probabilities,
                                                   const std::vector<float>& values,
                                                   const std::vector<std::string>& names) {
  const size_t count = names.size();
  S2P_CHECK(values.size() == static_cast<size_t>(probabilities.rows()) * count);
  std::vector<AttributeAccuracy> accuracies;
  for (size_t a = 0; a < count; ++a) {
    AttributeAccuracy of;
    of.name = names[a];
    int64_t right_positives = 0, right_negatives = 0;
    for (int row = 0; row < probabilities.rows(); ++row) {
      const float value = values[static_cast<size_t>(row) * count + a];
      if (std::isnan(value)) continue;
      const bool positive = value >= 0.5F;
      const float predicted = probabilities.row(row)[a];
      ++of.known;
      of.positives += positive ? 1 : 0;
      // NaN is on neither side.
      if (positive && predicted >= 0.5F) ++right_positives;
      if (!positive && predicted < 0.5F) ++right_negatives;
    }
    const int64_t negatives = of.known - of.positives;
    const auto share = [](int64_t part, int64_t of_all) {
      return of_all == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(of_all);
    };
    of.accuracy = share(right_positives + right_negatives, of.known);
    of.balanced_accuracy =
        of.positives == 0 || negatives == 0
            ? of.accuracy
            : (share(right_positives, of.positives) + share(right_negatives, negatives)) / 2;
    accuracies.push_back(of);
  }
  return accuracies;
}

}  // namespace s2p
