#include "trainer/ihda/build_text.h"

#include <torch/version.h>

namespace s2p {

std::string BuildText() { return "s2p-trainer " S2P_VERSION ", LibTorch " TORCH_VERSION; }

}  // namespace s2p
