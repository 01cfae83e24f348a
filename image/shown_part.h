// Which pixels of a picture show something, and which are only its ground.
#ifndef S2P_IMAGE_SHOWN_PART_H_
#define S2P_IMAGE_SHOWN_PART_H_

#include <cstdint>
#include <vector>

#include "image/image.h"

namespace s2p {

// A value.
struct ShownPart {
  int width = 0;
  int height = 0;
  // [height, width], row-major: 255 where the picture shows something, else 0. Empty if no ground
  // can be told from the rest, so that the whole picture counts.
  std::vector<uint8_t> mask;
};

// The ground is what has the colour of the border, in CIELAB, and is connected with it; of the rest
// the parts that are no specks are shown. There is no ground if the border has many colours, and
// none if nothing differs from it. Takes time in proportion to the pixels, so reduce large pictures
// first. Requires a non-empty picture. Thread-safe.
ShownPart FindShownPart(const Image& picture);

}  // namespace s2p

#endif  // S2P_IMAGE_SHOWN_PART_H_
