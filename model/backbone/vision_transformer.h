// Vision transformers (Dosovitskiy et al., ICLR 2021), described by data.
#ifndef S2P_MODEL_BACKBONE_VISION_TRANSFORMER_H_
#define S2P_MODEL_BACKBONE_VISION_TRANSFORMER_H_

#include <memory>

#include "model/backbone/backbone.h"
#include "s2p/v1/checkpoint.pb.h"

namespace s2p {

// Parameters carry the names of timm and DINOv2, whoever published the weights: cls_token,
// pos_embed, register_tokens, patch_embed.proj, norm_pre, blocks.N.{norm1, attn.qkv, attn.proj,
// ls1, norm2, mlp.fc1, mlp.fc2, ls2}, norm, head (the projection, [out, width]), attn_pool.{latent,
// q, kv, proj, norm, mlp.fc1, mlp.fc2}; the parts that the description leaves out, or that follow
// the last stage, do not exist. pos_embed keeps the side that it is described with, and is
// resampled in each pass. Training keeps heads * tokens^2 values per image and block. Requires a
// description without WrongFields; `last_stage` is 3 or 4. Exceptions of LibTorch pass through.
std::shared_ptr<Backbone> CreateVisionTransformer(const v1::VisionTransformer& description,
                                                  int last_stage);

}  // namespace s2p

#endif  // S2P_MODEL_BACKBONE_VISION_TRANSFORMER_H_
