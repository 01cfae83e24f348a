// Sketches made from photos, in several styles, to train on before anybody has drawn one.
#ifndef S2P_TRAINER_PSEUDO_PSEUDO_SKETCH_H_
#define S2P_TRAINER_PSEUDO_PSEUDO_SKETCH_H_

#include <cstdint>
#include <memory>

#include "image/image.h"
#include "s2p/v1/training.pb.h"

namespace s2p {

enum class PseudoStyle { kStrokes, kEdges, kDifferenceOfGaussians, kPencil, kContour };
inline constexpr int kPseudoStyles = 5;

// The values of a spec's `pseudo`, with the defaults that training.proto gives for unset fields.
struct PseudoSketchOptions {
  static PseudoSketchOptions Of(const v1::TrainingSpec::PseudoSketchSpec& spec);

  // How often each style is drawn, relative to the others; 0: never. Not all of them may be 0.
  double strokes = 5;
  double edges = 2;
  double difference_of_gaussians = 2;
  double pencil = 1;
  double contour = 1;
  // Largest share of the inner strokes that is left out, [0, 0.9].
  double dropped = 0.5;
  // Largest shift of a point, as a share of the side, [0, 0.05].
  double wobble = 0.03;
};

// Draws one photo again and again. Immutable; Draw may be called from several threads.
class PseudoSketcher {
 public:
  // Requires a non-empty photo.
  PseudoSketcher(const Image& photo, const PseudoSketchOptions& options, uint64_t seed);
  ~PseudoSketcher();

  // The style of sketch number `index`, 0 or more. The styles follow each other so that any few
  // sketches in a row have nearly the shares that the weights ask for.
  PseudoStyle StyleOf(int index) const;
  // Dark lines on white, grey, kPseudoSketchPixels square: a function of the photo, the options,
  // the seed and the index. The object is cut out of a plain ground, as people draw it; people's
  // errors are in it, too: wrong proportions, and a smooth warp, which seldom makes lines meet that
  // were apart. Where the photo shows nothing, the sketch is white.
  Image Draw(int index) const;

 private:
  struct Subject;

  const PseudoSketchOptions options_;
  const uint64_t seed_;
  const std::unique_ptr<const Subject> subject_;
};

}  // namespace s2p

#endif  // S2P_TRAINER_PSEUDO_PSEUDO_SKETCH_H_
