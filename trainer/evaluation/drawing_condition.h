// The conditions under which people draw and photograph, imitated on clean sketches: how much of a
// model's accuracy is left.
#ifndef S2P_TRAINER_EVALUATION_DRAWING_CONDITION_H_
#define S2P_TRAINER_EVALUATION_DRAWING_CONDITION_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "image/image.h"
#include "trainer/data/data_set.h"

namespace s2p {

enum class DrawingCondition {
  kClean,
  // Paper photographed in light that falls off to one side, with the noise of a camera.
  kPaper,
  // Ink on a ground of 80 % white.
  kGrey,
  // Six dark specks of 6 x 2 pixels.
  kSpecks,
  // Scanned: the longer side has 4,000 pixels.
  kScan,
  // A red, blue, green or orange pen.
  kPens,
  // White on black.
  kNegative,
  // Chalk on a dark grey board.
  kBoard,
  // Small, in a corner of a white sheet.
  kCorner,
  // On paper that lies half in the shadow of a hand.
  kShadow,
  // On a writing pad: lines or squares.
  kRuled,
  // A coloured marker on a whiteboard that reflects a lamp.
  kWhiteboard,
  // On a sheet that lies on a dark table, photographed at an angle: 1200 x 900 pixels.
  kTable,
  // The same, the sheet ruled and half in shadow.
  kPhone,
};

// Their names on the command line, in the order above: "clean", "paper" and so on.
const std::vector<std::string>& DrawingConditionNames();
// InvalidArgument, listing the names, for another one.
absl::StatusOr<DrawingCondition> ParseDrawingCondition(absl::string_view name);

// A clean sketch, dark on white, under a condition. What is random depends on `seed` alone.
// Requires an image of at least 8 x 8 pixels.
Image DrawUnder(DrawingCondition condition, const Image& sketch, uint32_t seed);

// Writes a copy of a data set to `folder`, which must be empty or not there, with every sketch
// drawn under the condition and written as PNG, with ".png" added to its name. Photos are copied.
// FailedPrecondition for a packed data set; else as DataSet::Read and CreateDataSetFolder.
absl::Status WriteUnderCondition(const DataSet& data_set, DrawingCondition condition,
                                 const std::string& folder);

}  // namespace s2p

#endif  // S2P_TRAINER_EVALUATION_DRAWING_CONDITION_H_
