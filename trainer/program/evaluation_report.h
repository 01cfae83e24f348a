// Measurements as text, for people and for programs.
#ifndef S2P_TRAINER_PROGRAM_EVALUATION_REPORT_H_
#define S2P_TRAINER_PROGRAM_EVALUATION_REPORT_H_

#include <optional>
#include <string>
#include <vector>

#include "trainer/evaluation/attribute_accuracy.h"
#include "trainer/evaluation/cross_validation.h"
#include "trainer/evaluation/evaluator.h"
#include "trainer/ihda/attribute_selection.h"
#include "trainer/program/comparison.h"

namespace s2p {

// All JSON is one object on one line; fractions are from 0 to 1.

// {"queries","gallery","unmatched","rank1","rank5","rank10","rank20","mAP"}; with `details` also
// "mINP", "dataset", "imagesSha256" (MeasuredImages, unless it is empty), "split",
// "direction" and "ranks": [{"path","identity","rank","averagePrecision",
// "inverseNegativePenalty"}], rank null where the gallery has no true match.
// "attributes": [{"name","known","positives","accuracy","balancedAccuracy"}] where there are any.
std::string EvaluationJson(const std::optional<EvaluationResult>& retrieval,
                           const std::vector<AttributeAccuracy>& attributes, bool details,
                           const std::string& images_sha256 = "");
std::string AttributeTable(const std::vector<AttributeAccuracy>& attributes);

// The evaluations of one direction, one for each split, and their spread.
struct DirectionResult {
  std::vector<v1::Evaluation> splits;
  EvaluationSpread spread;
};
// {"splits": [{DIRECTION: {"rank1",…,"mINP","queries","dataset"}}], "mean": {DIRECTION: {…}},
// "deviation"}.
std::string CrossValidationJson(const std::vector<DirectionResult>& directions);
// "mean ± standard deviation", a line for each direction.
std::string CrossValidationTable(const std::vector<DirectionResult>& directions);

// {DIRECTION: {"groups": "identities", "metrics": {"rank1": {"a","b","difference","standardError",
// "low","high","values","groups"}}}}; standardError, low and high are null for one group.
std::string ComparisonJson(const std::vector<DirectionComparison>& comparisons);
// In percent and points of a percent, a block for each direction.
std::string ComparisonTable(const std::vector<DirectionComparison>& comparisons);

// {"attributes": [{"name","accuracy","balancedAccuracy","predictedShare","kept"}]}.
std::string AttributeSelectionJson(const std::vector<SelectedAttribute>& attributes);
// A line for each attribute, and one with the flag that trains on those that are kept.
std::string AttributeSelectionTable(const std::vector<SelectedAttribute>& attributes);
// --set 'attributes=a,b,c', quoted for a shell, or fields for a spec's file if a name has a comma
// or a quote; a sentence if none is kept.
std::string KeptAttributesFlag(const std::vector<SelectedAttribute>& attributes);

}  // namespace s2p

#endif  // S2P_TRAINER_PROGRAM_EVALUATION_REPORT_H_
