#include "trainer/evaluation/cross_validation.h"

#include <cmath>

#include "base/check.h"

namespace s2p {
namespace {

// Every field that is a fraction.
std::vector<const google::protobuf::FieldDescriptor*> Fractions() {
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  const auto& type = *v1::Evaluation::descriptor();
  for (int i = 0; i < type.field_count(); ++i) {
    if (type.field(i)->cpp_type() == google::protobuf::FieldDescriptor::CPPTYPE_DOUBLE) {
      fields.push_back(type.field(i));
    }
  }
  return fields;
}

}  // namespace

EvaluationSpread SpreadOf(const std::vector<v1::Evaluation>& evaluations) {
  S2P_CHECK(!evaluations.empty());
  const auto n = static_cast<double>(evaluations.size());
  EvaluationSpread spread;
  spread.splits = static_cast<int>(evaluations.size());
  spread.mean.set_dataset(evaluations[0].dataset());
  spread.mean.set_split(evaluations[0].split());
  spread.mean.set_direction(evaluations[0].direction());
  for (const v1::Evaluation& evaluation : evaluations) {
    spread.mean.set_queries(spread.mean.queries() + evaluation.queries());
    spread.mean.set_gallery(spread.mean.gallery() + evaluation.gallery());
    spread.mean.set_unmatched(spread.mean.unmatched() + evaluation.unmatched());
  }
  for (const auto* field : Fractions()) {
    const auto value = [field](const v1::Evaluation& evaluation) {
      return evaluation.GetReflection()->GetDouble(evaluation, field);
    };
    double sum = 0, squares = 0;
    for (const v1::Evaluation& evaluation : evaluations) sum += value(evaluation);
    const double mean = sum / n;
    for (const v1::Evaluation& evaluation : evaluations) {
      squares += (value(evaluation) - mean) * (value(evaluation) - mean);
    }
    spread.mean.GetReflection()->SetDouble(&spread.mean, field, mean);
    spread.deviation.GetReflection()->SetDouble(&spread.deviation, field,
                                                n > 1 ? std::sqrt(squares / (n - 1)) : 0);
  }
  return spread;
}

}  // namespace s2p
