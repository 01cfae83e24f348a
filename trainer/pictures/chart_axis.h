// The scales of a chart: where a value lies, and which values are marked.
#ifndef S2P_TRAINER_PICTURES_CHART_AXIS_H_
#define S2P_TRAINER_PICTURES_CHART_AXIS_H_

#include <string>
#include <vector>

namespace s2p {

struct ChartTick {
  double value = 0;
  // Empty: a line of the grid without a label.
  std::string label;
};

// Maps values to [0, 1], below to above. Immutable.
class ChartAxis {
 public:
  // From 0 (or from below `lowest`, where that is negative) to a round number at or above
  // `highest`, with four to eight ticks. Requires finite values, lowest <= highest.
  static ChartAxis Linear(double lowest, double highest);
  // From a power of ten, or twice or five times one, at or below `lowest` to one at or above
  // `highest`. Requires 0 < lowest <= highest, finite.
  static ChartAxis Logarithmic(double lowest, double highest);

  // Values beyond the ends lie on them.
  double PositionOf(double value) const;
  const std::vector<ChartTick>& ticks() const { return ticks_; }

 private:
  ChartAxis() = default;
  bool logarithmic_ = false;
  double from_ = 0;
  double to_ = 1;
  std::vector<ChartTick> ticks_;
};

// The least of 1, 2, 5, 10, 20, 50, ... (and 0.5, 0.2, ...) that is at least `value`. Requires a
// finite value above 0.
double RoundUp125(double value);

}  // namespace s2p

#endif  // S2P_TRAINER_PICTURES_CHART_AXIS_H_
