// The surroundings of a drawing that is photographed: the rest of the sheet, its ruling, the table
// under it, shadows, a whiteboard. Parts of DrawUnder (trainer/evaluation/drawing_condition.h).
// Everything random depends on the generator alone. Requires pictures of at least 8 x 8 pixels.
#ifndef S2P_TRAINER_EVALUATION_DRAWING_SCENE_H_
#define S2P_TRAINER_EVALUATION_DRAWING_SCENE_H_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>

#include "image/image.h"

namespace s2p {

// Replaces every value by `change(value, x, y, channel)`, rounded and limited to [0, 255].
template <typename Change>
void ChangeEach(Image& image, const Change& change) {
  for (int y = 0; y < image.height(); ++y) {
    uint8_t* row = image.row(y);
    for (int x = 0; x < image.width(); ++x) {
      for (int channel = 0; channel < Image::kChannels; ++channel, ++row) {
        const double value = change(static_cast<double>(*row), x, y, channel);
        *row = static_cast<uint8_t>(std::lround(std::clamp(value, 0.0, 255.0)));
      }
    }
  }
}

// `sketch` on a white sheet of width x height pixels. Its longer side is `share` of the shorter of
// the sheet; `left` and `top`, 0 to 1, are the shares of the free space to its left and above it.
Image OnSheet(const Image& sketch, int width, int height, double share, double left, double top);

// Prints the pale blue lines of a writing pad, or squares, across a sheet.
void Rule(Image& sheet, bool squares);

// Light that falls off in a random direction: `mean` on average, `slope` from side to side.
void Light(Image& image, double mean, double slope, std::mt19937& random);

// The shadow of a hand or a phone, with a soft edge across the picture.
void CastShadow(Image& image, std::mt19937& random);

// The noise of a camera, of this standard deviation, in all channels alike.
void AddGrain(Image& image, double deviation, std::mt19937& random);

// The sheet on a dark wooden table, seen at an angle: width x height pixels.
Image OnTable(const Image& sheet, int width, int height, std::mt19937& random);

// The sheet's ink drawn in pen `rgb` on a whiteboard that is lit from a lamp and reflects it.
void OnWhiteboard(Image& sheet, std::mt19937& random);

}  // namespace s2p

#endif  // S2P_TRAINER_EVALUATION_DRAWING_SCENE_H_
