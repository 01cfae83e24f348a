// Accuracy of predicted attributes, one by one.
#ifndef S2P_TRAINER_EVALUATION_ATTRIBUTE_ACCURACY_H_
#define S2P_TRAINER_EVALUATION_ATTRIBUTE_ACCURACY_H_

#include <cstdint>
#include <string>
#include <vector>

#include "model/embedding.h"

namespace s2p {

struct AttributeAccuracy {
  std::string name;
  // Images whose value is known, and those of them with a value of 0.5 or more.
  int64_t known = 0;
  int64_t positives = 0;
  // Share of the known images whose probability lies on the same side of 0.5 as their value; NaN
  // lies on neither.
  double accuracy = 0;
  // Mean of the shares among positives and among negatives, so that always guessing the commoner
  // value gives 0.5; the accuracy where there is only one kind.
  double balanced_accuracy = 0;
};

// `probabilities` [n, a]; `values` n x a row-major in [0, 1], NaN where not known; `names` a.
std::vector<AttributeAccuracy> AttributeAccuracies(const EmbeddingMatrix& probabilities,
                                                   const std::vector<float>& values,
                                                   const std::vector<std::string>& names);

}  // namespace s2p

#endif  // S2P_TRAINER_EVALUATION_ATTRIBUTE_ACCURACY_H_
