#include "server/feedback/kept_sketch.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/status_macros.h"
#include "image/ground.h"
#include "image/preprocessor.h"
#include "model/sha256.h"

namespace s2p {

absl::StatusOr<KeptSketch> KeepSketch(const Image& drawing) {
  const Image image = Reduce(drawing, kMostSketchPixels);
  if (!HasInk(image)) return absl::InvalidArgumentError("the drawing is blank: there is no ink");
  KeptSketch sketch;
  sketch.width = image.width();
  sketch.height = image.height();
  const auto pixels = image.pixels();
  sketch.sha256 = Sha256(
      absl::StrCat(image.width(), "x", image.height(), ":",
                   absl::string_view(reinterpret_cast<const char*>(pixels.data()), pixels.size())));
  S2P_ASSIGN_OR_RETURN(sketch.png, EncodePng(image));
  return sketch;
}

}  // namespace s2p
