// The learning curve of a run: its losses, rank-1 and mAP over the epochs, as a picture.
#ifndef S2P_TRAINER_PICTURES_LEARNING_CURVE_H_
#define S2P_TRAINER_PICTURES_LEARNING_CURVE_H_

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "image/image.h"
#include "s2p/v1/training.pb.h"
#include "trainer/pictures/canvas.h"

namespace s2p {

// One epoch of the curve.
struct EpochPoint {
  // 1 or 2.
  int ihda_step = 2;
  // From 1 in each step.
  int epoch = 1;
  // By name, as LossTerm. NaN and infinity are gaps in the line, as is a term that is not there.
  std::vector<std::pair<std::string, double>> losses;
  // Fractions.
  std::optional<double> rank1;
  std::optional<double> mean_average_precision;
  double learning_rate = 0;
};

EpochPoint EpochPointOf(const v1::TrainingProgress& progress);

// The points of a log with one v1.TrainingProgress in JSON a line, as a run writes it
// (metrics.jsonl). What a killed run leaves does not hide the rest: a last line without its end,
// and a line that cannot be read, are left out. Where a run resumed from an earlier epoch, the
// lines that it wrote again replace the first ones. NotFound; DataLoss naming the file if it has
// lines and none of them is an epoch.
absl::StatusOr<std::vector<EpochPoint>> ReadEpochPoints(const std::string& path);

inline constexpr int kLearningCurveWidth = 1200;
inline constexpr int kLearningCurveHeight = 800;
// Where the panels are; an epoch has the same place and width in all three.
inline constexpr CanvasBox kLossPanel = {92, 72, 836, 346};
inline constexpr CanvasBox kAccuracyPanel = {92, 444, 836, 206};
inline constexpr CanvasBox kRatePanel = {92, 676, 836, 50};
// Colours of "rank-1" and of "mAP".
inline constexpr Color kRank1Color = {0, 114, 178};
inline constexpr Color kMapColor = {213, 94, 0};

// The same in every picture for every term of LossSpec and for "total".
Color LossColor(const std::string& term);

// True if the values that can be drawn span more than a factor of 100, none below 0: then the axis
// is logarithmic. (0 itself is drawn at its lower end.)
bool UsesLogScale(const std::vector<EpochPoint>& points);

// Upper panel: a line for each loss term. Middle: rank-1 and mAP in percent. Below: the learning
// rate. A rule stands where step 2 begins. Points must be in order; without any the picture says
// "no epoch yet". `title` is the run's, as its name or job id.
absl::StatusOr<Image> DrawLearningCurve(const std::vector<EpochPoint>& points,
                                        const std::string& title);

// Draws and writes the PNG, as WritePicture.
absl::Status WriteLearningCurve(const std::vector<EpochPoint>& points, const std::string& title,
                                const std::string& path);

}  // namespace s2p

#endif  // S2P_TRAINER_PICTURES_LEARNING_CURVE_H_
