#include "model/backbone/backbone.h"

#include "base/status_macros.h"
#include "model/backbone/architecture.h"
#include "model/backbone/convnext.h"
#include "model/backbone/residual_network.h"
#include "model/backbone/vision_transformer.h"
#include "model/torch_version.h"

namespace s2p {

absl::StatusOr<std::shared_ptr<Backbone>> CreateBackbone(const v1::Backbone& spec) {
  S2P_ASSIGN_OR_RETURN(const Architecture architecture, ArchitectureOf(spec));
  const int last_stage = static_cast<int>(spec.last_stage());
  try {
    if (const auto* layout = std::get_if<ResidualLayout>(&architecture.layout)) {
      return CreateResidualNetwork(*layout, last_stage, static_cast<int>(spec.last_stride()));
    }
    if (const auto* layout = std::get_if<ConvNextLayout>(&architecture.layout)) {
      return CreateConvNext(*layout, last_stage);
    }
    return CreateVisionTransformer(std::get<v1::VisionTransformer>(architecture.layout),
                                   last_stage);
  } catch (const std::exception& error) {
    return TorchError(error, "backbone");
  }
}

}  // namespace s2p
