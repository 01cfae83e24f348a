#include "server/feedback/kept_sketch.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/status_macros.h"
#include "image/ground.h"
#include "image/preprocessor.h"
#include "model/sha256.h"

namespace s2p {
namespace {

// The longer sides that a drawing is reduced to, in turn, until its PNG is small enough.
constexpr int kSides[] = {kMostSketchPixels, 768, 512};

std::string DigestOf(const Image& image) {
  const auto pixels = image.pixels();
  return Sha256(
      absl::StrCat(image.width(), "x", image.height(), ":",
                   absl::string_view(reinterpret_cast<const char*>(pixels.data()), pixels.size())));
}

}  // namespace

absl::StatusOr<KeptSketch> KeepSketch(const Image& drawing) {
  KeptSketch sketch;
  for (const int side : kSides) {
    const Image image = Reduce(drawing, side);
    S2P_ASSIGN_OR_RETURN(sketch.png, EncodePng(image));
    if (sketch.png.size() > kMostSketchBytes) continue;
    if (!HasInk(image)) return absl::InvalidArgumentError("the drawing is blank: there is no ink");
    sketch.width = image.width();
    sketch.height = image.height();
    sketch.sha256 = DigestOf(image);
    return sketch;
  }
  return absl::OutOfRangeError(absl::StrCat(
      "the drawing takes ", sketch.png.size(), " bytes as PNG with 512 pixels, more than ",
      kMostSketchBytes, ": send one on a plain ground, or its strokes"));
}

}  // namespace s2p
