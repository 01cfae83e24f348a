// Colours and materials of a procedural shoe: never part of its identity.
#ifndef S2P_TRAINER_SHOES_SHOE_PALETTE_H_
#define S2P_TRAINER_SHOES_SHOE_PALETTE_H_

#include <array>

#include "trainer/data/random.h"
#include "trainer/shoes/shoe_drawing.h"

namespace s2p {

// Red, green, blue in [0, 255].
using ShoeColour = std::array<double, 3>;

enum class ShoeTexture { kSmooth, kPatent, kSuede, kMottled, kWoven, kStriped };

// Light and hardly saturated.
ShoeColour PastelColour(Random& random);

// A colour and a texture for each material. Immutable.
class ShoePalette {
 public:
  // `vivid`: saturated colours, no dark ones.
  ShoePalette(Random& random, bool vivid);

  const ShoeColour& colour(ShoeMaterial material) const {
    return colours_[static_cast<size_t>(material)];
  }
  ShoeTexture texture(ShoeMaterial material) const {
    return textures_[static_cast<size_t>(material)];
  }
  const ShoeColour& stitches() const { return stitches_; }

 private:
  std::array<ShoeColour, kShoeMaterials> colours_{};
  std::array<ShoeTexture, kShoeMaterials> textures_{};
  ShoeColour stitches_{};
};

}  // namespace s2p

#endif  // S2P_TRAINER_SHOES_SHOE_PALETTE_H_
