// A vision transformer that tests can afford.
#ifndef S2P_TESTS_MODEL_BACKBONE_SMALL_TRANSFORMER_H_
#define S2P_TESTS_MODEL_BACKBONE_SMALL_TRANSFORMER_H_

#include "s2p/v1/checkpoint.pb.h"

namespace s2p::test {

// 8-pixel patches, width 64, two blocks of four heads, a class token, a table of 4 x 4 positions.
inline v1::VisionTransformer SmallTransformer() {
  v1::VisionTransformer transformer;
  transformer.set_patch(8);
  transformer.set_width(64);
  transformer.set_depth(2);
  transformer.set_heads(4);
  transformer.set_mlp_width(256);
  transformer.set_position_side(4);
  transformer.set_class_token(true);
  transformer.set_patch_bias(true);
  transformer.set_activation(v1::ACTIVATION_GELU);
  transformer.set_norm_epsilon(1e-6);
  transformer.set_position_resampling(v1::POSITION_RESAMPLING_ANTIALIASED);
  return transformer;
}

}  // namespace s2p::test

#endif  // S2P_TESTS_MODEL_BACKBONE_SMALL_TRANSFORMER_H_
