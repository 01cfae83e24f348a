#include "trainer/shoes/shoe_palette.h"

#include <algorithm>
#include <cmath>

namespace s2p {
namespace {

// Hue in turns; saturation and value in [0, 1].
ShoeColour FromHue(double hue, double saturation, double value) {
  const auto channel = [&](double offset) {
    const double turn = hue + offset - std::floor(hue + offset);
    const double ramp = std::clamp(std::abs(6 * turn - 3) - 1, 0.0, 1.0);
    return 255 * value * (1 - saturation * (1 - ramp));
  };
  return {channel(0), channel(2.0 / 3), channel(1.0 / 3)};
}

// As shoes are sold: much black and brown, some white, a few bright ones.
ShoeColour ShopColour(Random& random) {
  const double kind = random.Uniform();
  if (kind < 0.2)
    return FromHue(random.Uniform(), random.Uniform(0, 0.2), random.Uniform(0.13, 0.26));
  if (kind < 0.46) {
    return FromHue(random.Uniform(0.03, 0.09), random.Uniform(0.4, 0.75), random.Uniform(0.3, 0.7));
  }
  if (kind < 0.6) {
    return FromHue(random.Uniform(0.07, 0.13), random.Uniform(0.1, 0.35),
                   random.Uniform(0.7, 0.92));
  }
  if (kind < 0.72)
    return FromHue(random.Uniform(), random.Uniform(0, 0.08), random.Uniform(0.4, 0.93));
  return FromHue(random.Uniform(), random.Uniform(0.4, 0.9), random.Uniform(0.35, 0.9));
}

ShoeColour VividColour(Random& random) {
  return FromHue(random.Uniform(), random.Uniform(0.35, 0.85), random.Uniform(0.6, 1));
}

ShoeColour Scaled(const ShoeColour& colour, double by) {
  ShoeColour scaled;
  for (size_t i = 0; i < scaled.size(); ++i) scaled[i] = std::clamp(colour[i] * by, 12.0, 250.0);
  return scaled;
}

}  // namespace

ShoeColour PastelColour(Random& random) {
  return FromHue(random.Uniform(), random.Uniform(0.03, 0.3), random.Uniform(0.72, 0.97));
}

ShoePalette::ShoePalette(Random& random, bool vivid) {
  const auto draw = [&] { return vivid ? VividColour(random) : ShopColour(random); };
  const auto set = [&](ShoeMaterial material, const ShoeColour& colour, ShoeTexture texture) {
    colours_[static_cast<size_t>(material)] = colour;
    textures_[static_cast<size_t>(material)] = texture;
  };
  constexpr ShoeTexture kTextures[] = {
      ShoeTexture::kSmooth,  ShoeTexture::kSmooth, ShoeTexture::kPatent, ShoeTexture::kSuede,
      ShoeTexture::kMottled, ShoeTexture::kWoven,  ShoeTexture::kSmooth, ShoeTexture::kStriped};
  const ShoeColour upper = draw();
  const ShoeTexture texture = kTextures[random.Index(8)];
  set(ShoeMaterial::kUpper, upper, texture);
  const ShoeColour accent = random.Chance(0.5) ? draw() : Scaled(upper, random.Uniform(0.65, 1.35));
  set(ShoeMaterial::kAccent, accent, random.Chance(0.6) ? texture : ShoeTexture::kSmooth);
  const ShoeColour trim = random.Chance(0.3) ? draw() : Scaled(upper, random.Uniform(0.8, 1.2));
  set(ShoeMaterial::kTrim, trim, random.Chance(0.7) ? texture : ShoeTexture::kSmooth);

  const double under = random.Uniform();
  const ShoeColour sole = vivid         ? Scaled(draw(), 0.8)
                          : under < 0.4 ? FromHue(0.08, 0.15, random.Uniform(0.12, 0.26))
                          : under < 0.6 ? FromHue(0.1, 0.05, random.Uniform(0.8, 0.95))
                          : under < 0.8 ? FromHue(0.08, 0.45, random.Uniform(0.4, 0.75))
                                        : Scaled(upper, 0.85);
  set(ShoeMaterial::kSole, sole, ShoeTexture::kSmooth);
  set(ShoeMaterial::kHeel, random.Chance(0.5) ? sole : Scaled(upper, 0.95),
      random.Chance(0.3) ? texture : ShoeTexture::kSmooth);
  const ShoeColour beige = FromHue(0.09, random.Uniform(0.1, 0.4), random.Uniform(0.55, 0.88));
  set(ShoeMaterial::kFootbed, beige, ShoeTexture::kSmooth);
  set(ShoeMaterial::kLining, random.Chance(0.5) ? Scaled(beige, 0.8) : Scaled(upper, 0.5),
      ShoeTexture::kSuede);
  const double lace = random.Uniform();
  set(ShoeMaterial::kLace,
      lace < 0.4   ? ShoeColour{235, 232, 225}
      : lace < 0.7 ? ShoeColour{40, 38, 36}
                   : Scaled(upper, 1.3),
      ShoeTexture::kSmooth);
  set(ShoeMaterial::kMetal,
      random.Chance(0.5) ? ShoeColour{212, 175, 90} : ShoeColour{196, 198, 204},
      ShoeTexture::kPatent);
  set(ShoeMaterial::kFur, FromHue(0.1, random.Uniform(0.05, 0.35), random.Uniform(0.55, 0.95)),
      ShoeTexture::kMottled);
  stitches_ = random.Chance(0.5) ? ShoeColour{232, 222, 196} : Scaled(upper, 0.45);
}

}  // namespace s2p
